"""A worker on a pool of connections that is smaller than its concurrency (PostgreSQL)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db import connections

import durable
from durable import Data, Workflow, foreach, step
from durable.models import Worker
from durable.testing import worker
from tests.shop.models import Effect
from tests.worker.cases import FAST, WorkerTestCase, on_postgres

STARVED = 20.0  # seconds; who waits in vain for a pool gives up after thirty


@contextmanager
def pooled(options: Any) -> Iterator[None]:
    """Every connection that is opened within comes from a pool."""
    connection = connections["default"]
    connection.close()
    shared: dict[str, Any] = connection.settings_dict["OPTIONS"]
    shared["pool"] = options
    try:
        yield
    finally:
        connection.close()
        connection.close_pool()
        del shared["pool"]


class PoolTests(WorkerTestCase):
    durable_settings: ClassVar[dict[str, Any]] = {**FAST, "LEASE": 5}

    def setUp(self) -> None:
        super().setUp()
        self.pool = on_postgres()

    def assertFlows(self, flow: type[Workflow], many: int = 30) -> None:
        """All complete long before anybody would give up waiting for a connection."""
        executions = [durable.start(flow) for _ in range(many)]
        begun = time.monotonic()
        if not self.pool:  # SQLite has none: the same work, without
            with worker(concurrency=10):
                self.assertCompleted(*executions)
            return
        with pooled(True), worker(concurrency=10), self.assertNoLogs("durable.worker", "WARNING"):
            self.assertCompleted(*executions)
            self.assertEqual(Worker.objects.live().count(), 1)
        self.assertLess(time.monotonic() - begun, STARVED)

    def test_steps_that_write_and_steps_that_do_not_share_a_small_pool(self) -> None:
        class Mixed(Workflow):
            @step
            def writes(self, data: Data) -> None:
                Effect.objects.create(key=str(self.id))

            @step(atomic=False)
            def reads(self, data: Data) -> None:
                self.log.info("%d", Effect.objects.count())

            @step
            def computes(self, data: Data) -> Data:
                return {"done": True}

        self.assertFlows(Mixed)
        self.assertEqual(Effect.objects.count(), 30)

    def test_items_and_async_steps_share_a_small_pool(self) -> None:
        class Wide(Workflow):
            @step(atomic=False)
            async def each(self, data: Data, item: int, index: int) -> None:
                await Effect.objects.acreate(key=f"{self.id}/{item}")

            flow = foreach(lambda data: range(10), each, concurrency=10)

        self.assertFlows(Wide, 4)
        self.assertEqual(Effect.objects.count(), 40)
