"""The first start after a worker has come up is like any other: all that is slow once is done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.db.backends.signals import connection_created

import durable
from durable import Data, Workflow, step
from durable.models import Worker
from durable.storage.statement import Statement
from durable.worker import worker as worker_module
from durable.worker.heartbeat import Heartbeat
from durable.worker.listener import Listener
from durable.worker.worker import WorkerProcess
from tests.cases import until
from tests.worker.cases import WorkerTestCase


class FirstStartTests(WorkerTestCase):
    @contextmanager
    def worker_up(self) -> Iterator[WorkerProcess]:
        """A worker from the moment at which it reports that it is up."""
        up = threading.Event()
        running = WorkerProcess(queues={"default": 4}, on_up=up.set)
        running.start()
        try:
            self.assertTrue(up.wait(10))
            yield running
        finally:
            running.stop()

    def test_senders_know_then_that_it_listens(self) -> None:
        beat = Heartbeat._beat

        def late(self: Heartbeat) -> None:
            threading.Event().wait(1.0)  # longer than the first pass of the worker takes
            beat(self)

        with (
            mock.patch.object(worker_module, "SETTLING", 8.0),
            mock.patch.object(Heartbeat, "_beat", late),
            self.worker_up() as running,
        ):
            self.assertTrue(Worker.objects.get(pk=running.worker).listening)

    def test_nothing_is_connected_or_compiled_then_for_the_first_time(self) -> None:
        class Plain(Workflow):
            @step
            def only(self, data: Data) -> None: ...

        made = list[str]()

        def connected(**_: Any) -> None:
            made.append(threading.current_thread().name)

        connection_created.connect(connected)
        self.addCleanup(connection_created.disconnect, connected)
        with self.worker_up():
            until(lambda: {"durable-default", "durable-committer"} <= set(made))
            before = len(made)
            with mock.patch.object(Statement, "_compile", autospec=True) as compiled:
                self.assertCompleted(durable.start(Plain))
            self.assertEqual([name for name in made[before:] if name.startswith("durable")], [])
            self.assertFalse(compiled.called)

    def test_one_that_hears_nothing_is_up_soon_and_works(self) -> None:
        class Deaf(Workflow):
            @step
            def only(self, data: Data) -> None: ...

        with (
            mock.patch.object(worker_module, "SETTLING", 0.05),
            mock.patch.object(Listener, "start"),
            mock.patch.object(Listener, "stop"),
            self.worker_up() as running,
        ):
            self.assertFalse(Worker.objects.get(pk=running.worker).listening)
            self.assertCompleted(durable.start(Deaf))
