"""PgQueuer: a job queue without checkpoints, so a step is a job."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.engines import STEPS, Engine


class Pgqueuer(Engine):
    """A process that has PgQueuer with its asyncpg driver."""

    packages = ("pgqueuer[asyncpg]", "psycopg[binary]")
    kinds = frozenset({"pipeline", "one"})
    jobs = STEPS
    note = (
        "pgqueuer has no checkpoints: a step is a job, and the ten jobs of a pipeline do not wait "
        "for each other, which is in its favour. asyncpg driver; installed with `durable` tables; "
        "batches of half the concurrency, the largest that it allows."
    )

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._loop = asyncio.new_event_loop()

    def prepare(self) -> None:
        """``pgq install``."""
        command = os.path.join(os.path.dirname(sys.executable), "pgq")
        subprocess.run(
            [command, "--pg-dsn", self.url, "install", "--durability", "durable"],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def open(self) -> None:
        """A connection that enqueues, one that looks."""
        import psycopg

        self._queries = self._loop.run_until_complete(self._connect())
        self._look = psycopg.connect(self.url, autocommit=True)

    async def _connect(self) -> Any:
        import asyncpg
        from pgqueuer.db import AsyncpgDriver
        from pgqueuer.queries import Queries

        self._connection = await asyncpg.connect(self.url)
        return Queries(AsyncpgDriver(self._connection))

    def start(self, kind: str, data: dict[str, Any]) -> str:
        """``Queries.enqueue`` of one."""
        payload = json.dumps({"n": data["n"]}).encode()
        (job,) = self._loop.run_until_complete(self._queries.enqueue("add", payload))
        return str(job)

    def start_many(self, kind: str, datas: list[dict[str, Any]]) -> None:
        """``Queries.enqueue`` of all."""
        payloads = [json.dumps({"n": data["n"]}).encode() for data in datas]
        self._loop.run_until_complete(
            self._queries.enqueue(["add"] * len(payloads), payloads, [0] * len(payloads))
        )

    def finished(self, execution: str) -> bool:
        """One look by its primary key: a job that has ended leaves the queue."""
        row = self._look.execute("SELECT 1 FROM pgqueuer WHERE id = %s", [int(execution)])
        return row.fetchone() is None

    def remaining(self) -> int:
        """Jobs in the queue."""
        return self._one("SELECT count(*) FROM pgqueuer")

    def verify(self, kind: str, count: int) -> dict[str, tuple[int, int]]:
        """Jobs that its log calls successful; results are not kept."""
        logged = self._one("SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'")
        return {"results": (logged, count), "left": (self.remaining(), 0)}

    def work(self, slots: int, working: Callable[[], None]) -> None:
        """``PgQueuer.run``; SIGTERM ends it."""
        import uvloop

        uvloop.run(self._run(slots, working))

    async def _run(self, slots: int, working: Callable[[], None]) -> None:
        import asyncpg
        from pgqueuer import PgQueuer
        from pgqueuer.db import AsyncpgDriver

        app = PgQueuer(AsyncpgDriver(await asyncpg.connect(self.url)))

        @app.entrypoint("add")
        async def add(job: Any) -> None:
            json.loads(job.payload)["n"] += 1

        working()
        await app.run(batch_size=slots // 2, max_concurrent_tasks=slots)

    def close(self) -> None:
        """Close both connections."""
        self._loop.run_until_complete(self._connection.close())
        self._look.close()

    def _one(self, sql: str) -> int:
        return int(self._look.execute(sql).fetchone()[0])


ENGINE = Pgqueuer
