"""DBOS Transact: workflows in a queue, a step for each step, a datasource for the rows."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from typing import Any

from benchmarks.engines import STEPS, Engine

QUEUE = "bench"


class Dbos(Engine):
    """A process that has DBOS; its client starts and sends, its worker takes from the queue."""

    packages = ("dbos",)
    kinds = frozenset({"pipeline", "rows", "one", "event"})
    note = (
        "DBOS: workflows enqueued in a queue of the database, worker_concurrency as everybody's, "
        "polling_interval_sec=0.1 (its default of 1 s would only add to its latency); rows by "
        "@datasource.transaction. A sleeping workflow keeps its thread there, so it parks nothing."
    )

    def __init__(self, url: str) -> None:
        super().__init__(url)
        from dbos import DBOS

        self._url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        self._stopped = threading.Event()

        @DBOS.step()
        def add(data: dict[str, Any]) -> dict[str, Any]:
            return {**data, "n": data["n"] + 1}

        @DBOS.workflow(name="pipeline")
        def pipeline(data: dict[str, Any]) -> dict[str, Any]:
            for _ in range(STEPS):
                data = add(data)
            return data

        @DBOS.workflow(name="one")
        def one(data: dict[str, Any]) -> dict[str, Any]:
            return add(data)

        @DBOS.workflow(name="event")
        def event(data: dict[str, Any]) -> dict[str, Any]:
            sent = DBOS.recv("go", timeout_seconds=600)
            return {**data, "n": data["n"] + sent["n"]}

    def _config(self) -> Any:
        return {
            "name": "bench",
            "system_database_url": self._url,
            "sys_db_pool_size": 40,
            "log_level": "ERROR",
            "application_version": "1",
            "executor_id": f"bench-{os.getpid()}",
        }

    def _define_rows(self) -> None:
        import sqlalchemy as sa
        from dbos import DBOS, SQLAlchemyDatasource
        from sqlalchemy.orm import DeclarativeBase, mapped_column

        class Base(DeclarativeBase):
            pass

        class Row(Base):
            __tablename__ = "bench_row"
            id = mapped_column(sa.BigInteger, primary_key=True)
            text = mapped_column(sa.String(100))

        source = SQLAlchemyDatasource.create(
            self._url, engine_kwargs={"pool_size": 40, "max_overflow": 0}
        )
        self._tables = lambda: Base.metadata.create_all(source.engine)

        @source.transaction(isolation_level="READ COMMITTED")
        def write(data: dict[str, Any], of: str) -> dict[str, Any]:
            source.sql_session().add(Row(text=f"{of}/{data['n']}"))
            return {**data, "n": data["n"] + 1}

        @DBOS.workflow(name="rows")
        def rows(data: dict[str, Any]) -> dict[str, Any]:
            for _ in range(STEPS):
                data = write(data, str(DBOS.workflow_id))
            return data

    def prepare(self) -> None:
        """Launch once: that migrates; and register the queue."""
        from dbos import DBOS

        self._define_rows()
        self._tables()
        DBOS(config=self._config())
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=self._slots(), polling_interval_sec=0.1)
        DBOS.destroy()

    def _slots(self) -> int:
        from benchmarks.engines import SLOTS

        return SLOTS

    def open(self) -> None:
        """A client, and a connection to look with."""
        import psycopg
        from dbos import DBOSClient

        self._client = DBOSClient(system_database_url=self._url)
        self._look = psycopg.connect(self.url, autocommit=True)

    def start(self, kind: str, data: dict[str, Any]) -> str:
        """``DBOSClient.enqueue``."""
        options = {"queue_name": QUEUE, "workflow_name": kind, "app_version": "1"}
        return str(self._client.enqueue(options, data).get_workflow_id())

    def send(self, execution: str) -> None:
        """``DBOSClient.send``."""
        self._client.send(execution, {"n": 1}, topic="go")

    def finished(self, execution: str) -> bool:
        """One look by its primary key."""
        row = self._look.execute(
            "SELECT status = 'SUCCESS' FROM dbos.workflow_status WHERE workflow_uuid = %s",
            [execution],
        ).fetchone()
        return bool(row and row[0])

    def remaining(self) -> int:
        """Workflows that have not succeeded."""
        return self._one("SELECT count(*) FROM dbos.workflow_status WHERE status <> 'SUCCESS'")

    def parked(self) -> int:
        """Workflows that have begun: one that waits keeps its thread."""
        return self._one("SELECT count(*) FROM dbos.workflow_status WHERE status = 'PENDING'")

    def verify(self, kind: str, count: int) -> dict[str, tuple[int, int]]:
        """The output of each workflow; a recorded output for each step; each written row."""
        expected = STEPS if kind in ("pipeline", "rows") else 1
        right = 0
        for offset in range(0, count, 1000):
            found = self._client.list_workflows(limit=1000, offset=offset, status="SUCCESS")
            right += sum(_value(one.output)["n"] == expected for one in found)
        result = {"results": (right, count)}
        if kind == "rows":
            texts = self._one("SELECT count(DISTINCT text) FROM bench_row")
            result["rows"] = (texts, count * STEPS)
        elif kind != "event":
            steps = self._one("SELECT count(*) FROM dbos.operation_outputs")
            result["steps"] = (steps, count * expected)
        return result

    def work(self, slots: int, working: Callable[[], None]) -> None:
        """Launch: DBOS works in threads of its own."""
        from dbos import DBOS

        self._define_rows()
        config = self._config()
        config["max_executor_threads"] = max(64, 2 * slots)
        DBOS(config=config)
        DBOS.launch()
        working()
        self._stopped.wait()
        DBOS.destroy()

    def stop(self) -> None:
        """Let ``work`` go on to its end."""
        self._stopped.set()

    def close(self) -> None:
        """Close the client."""
        self._client.destroy()
        self._look.close()

    def _one(self, sql: str) -> int:
        return int(self._look.execute(sql).fetchone()[0])


def _value(output: Any) -> Any:
    return json.loads(output) if isinstance(output, str) else output


ENGINE = Dbos
