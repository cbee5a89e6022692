"""Procrastinate: a job queue without checkpoints, so a step is a job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from benchmarks.engines import STEPS, Engine


class Procrastinate(Engine):
    """A process that has a Procrastinate app."""

    packages = ("procrastinate", "psycopg[binary,pool]")
    kinds = frozenset({"pipeline", "one"})
    jobs = STEPS
    note = (
        "procrastinate has no checkpoints: a step is a job, and the ten jobs of a pipeline do not "
        "wait for each other, which is in its favour. Async worker, async tasks."
    )

    def __init__(self, url: str) -> None:
        super().__init__(url)
        import procrastinate

        self._app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(conninfo=url, min_size=4, max_size=20)
        )
        self._sync = procrastinate.App(
            connector=procrastinate.SyncPsycopgConnector(conninfo=url, min_size=1, max_size=2)
        )

        @self._app.task(name="add")
        async def add(n: int) -> dict[str, Any]:
            return {"n": n + 1}

        @self._sync.task(name="add")
        def twin(n: int) -> dict[str, Any]:
            return {"n": n + 1}

        self._task = twin

    def prepare(self) -> None:
        """Apply the schema."""
        with self._sync.open():
            self._sync.schema_manager.apply_schema()

    def open(self) -> None:
        """Open the client's pool."""
        import psycopg

        self._sync.open()
        self._look = psycopg.connect(self.url, autocommit=True)

    def start(self, kind: str, data: dict[str, Any]) -> str:
        """``task.defer``."""
        return str(self._task.defer(n=data["n"]))

    def start_many(self, kind: str, datas: list[dict[str, Any]]) -> None:
        """``task.batch_defer``."""
        self._task.batch_defer(*({"n": data["n"]} for data in datas))

    def finished(self, execution: str) -> bool:
        """One look by its primary key."""
        row = self._look.execute(
            "SELECT status = 'succeeded' FROM procrastinate_jobs WHERE id = %s", [int(execution)]
        ).fetchone()
        return bool(row and row[0])

    def remaining(self) -> int:
        """Jobs that have not succeeded."""
        return self._one("SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded'")

    def verify(self, kind: str, count: int) -> dict[str, tuple[int, int]]:
        """Jobs that succeeded; results are not kept."""
        jobs = self._one("SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'")
        return {"results": (jobs, count)}

    def work(self, slots: int, working: Callable[[], None]) -> None:
        """``App.run_worker_async``; SIGTERM ends it."""
        asyncio.run(self._run(slots, working))

    async def _run(self, slots: int, working: Callable[[], None]) -> None:
        async with self._app.open_async():
            working()
            await self._app.run_worker_async(
                concurrency=slots, install_signal_handlers=False, update_heartbeat_interval=10
            )

    def close(self) -> None:
        """Close the pool."""
        self._sync.close()
        self._look.close()

    def _one(self, sql: str) -> int:
        return int(self._look.execute(sql).fetchone()[0])


ENGINE = Procrastinate
