"""Absurd: a task for each workflow, ``ctx.step`` for each step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.engines import STEPS, Engine

QUEUE = "default"


class Absurd(Engine):
    """A process that has the Absurd SDK; the schema is the one that its absurdctl brings."""

    packages = ("absurd-sdk", "absurdctl")
    kinds = frozenset({"pipeline", "one", "sleep", "event"})
    note = (
        "Absurd: the synchronous worker with everybody's concurrency; it polls every 0.25 s, its "
        "default, and has one connection a process. It has no step that commits together with the "
        "body's own rows."
    )

    def __init__(self, url: str) -> None:
        super().__init__(url)
        from absurd_sdk import Absurd as App

        app = self._app = App(url, queue_name=QUEUE)

        @app.register_task("pipeline")
        def pipeline(data: Any, ctx: Any) -> Any:
            for number in range(STEPS):
                data = ctx.step(f"add{number}", lambda data=data: {**data, "n": data["n"] + 1})
            return data

        @app.register_task("one")
        def one(data: Any, ctx: Any) -> Any:
            return ctx.step("add", lambda: {**data, "n": data["n"] + 1})

        @app.register_task("sleep")
        def sleep(data: Any, ctx: Any) -> Any:
            ctx.sleep_until("rest", data["until"])
            return {**data, "n": data["n"] + 1}

        @app.register_task("event")
        def event(data: Any, ctx: Any) -> Any:
            sent = ctx.await_event(f"go:{ctx.task_id}")
            return {**data, "n": data["n"] + sent["n"]}

    def prepare(self) -> None:
        """Apply the schema by ``absurdctl init``, and create the queue."""
        command = os.path.join(os.path.dirname(sys.executable), "absurdctl")
        subprocess.run([command, "init", "-d", self.url], check=True, stdout=subprocess.DEVNULL)
        self._app.create_queue(QUEUE)
        self._app.close()

    def open(self) -> None:
        """A connection to look with."""
        import psycopg

        self._look = psycopg.connect(self.url, autocommit=True)

    def start(self, kind: str, data: dict[str, Any]) -> str:
        """``Absurd.spawn``."""
        return str(self._app.spawn(kind, data)["task_id"])

    def send(self, execution: str) -> None:
        """``Absurd.emit_event``: events are named, not addressed."""
        self._app.emit_event(f"go:{execution}", {"n": 1})

    def finished(self, execution: str) -> bool:
        """One look by its primary key."""
        row = self._look.execute(
            "SELECT state = 'completed' FROM absurd.t_default WHERE task_id = %s", [execution]
        ).fetchone()
        return bool(row and row[0])

    def remaining(self) -> int:
        """Tasks that are not completed."""
        return self._one("SELECT count(*) FROM absurd.t_default WHERE state <> 'completed'")

    def parked(self) -> int:
        """Tasks that sleep."""
        return self._one("SELECT count(*) FROM absurd.t_default WHERE state = 'sleeping'")

    def verify(self, kind: str, count: int) -> dict[str, tuple[int, int]]:
        """The payload of each completed task, and a checkpoint for each step."""
        expected = STEPS if kind == "pipeline" else 1
        rows = self._look.execute(
            "SELECT completed_payload FROM absurd.t_default WHERE state = 'completed'"
        )
        right = sum(_value(payload)["n"] == expected for (payload,) in rows)
        steps = self._one("SELECT count(*) FROM absurd.c_default")
        return {"results": (right, count), "steps": (steps, count * expected)}

    def work(self, slots: int, working: Callable[[], None]) -> None:
        """``Absurd.start_worker``."""
        working()
        # One connection serves all threads of a process; tried: a batch in one thread is no faster.
        self._app.start_worker(concurrency=slots)

    def stop(self) -> None:
        """Stop after the current batch."""
        self._app.stop_worker()

    def close(self) -> None:
        """Close both connections."""
        self._app.close()
        self._look.close()

    def _one(self, sql: str) -> int:
        return int(self._look.execute(sql).fetchone()[0])


def _value(payload: Any) -> Any:
    return json.loads(payload) if isinstance(payload, str) else payload


ENGINE = Absurd
