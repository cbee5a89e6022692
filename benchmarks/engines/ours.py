"""django-durable-workflows, with the settings that it has by default."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from uuid import UUID

from benchmarks.engines import STEPS
from benchmarks.engines.probes import Probes

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.app.settings"

#: kinds whose executions are given a key, tags and a subject
KEYED = "keyed-"


class Ours(Probes):
    """A Django process that has our engine."""

    packages = ("-e .[postgres]",)
    kinds = frozenset({"pipeline", "rows", "one", "sleep", "event"})

    def __init__(self, url: str) -> None:
        super().__init__(url)
        os.environ["DATABASE_URL"] = url
        import django

        django.setup()
        from benchmarks.app import workflows

        self._work = workflows.WORK
        self._first: UUID | None = None  # no id started here is lower: ids follow time
        self._subject: Any = None

    def prepare(self) -> None:
        """Migrate, and create the table of the rows."""
        from django.core.management import call_command
        from django.db import connections

        call_command("migrate", run_syncdb=True, verbosity=0)
        connections.close_all()

    def open(self) -> None:
        """Connect; create the subject of keyed executions."""
        from benchmarks.app.models import Row

        self._subject = Row._default_manager.create(text="subject")

    def start(self, kind: str, data: dict[str, Any]) -> str:
        """``durable.start``."""
        import durable

        options: dict[str, Any] = {}
        if kind.startswith(KEYED):
            options = {"tags": {"tenant": data["key"]}, "subject": self._subject}
        execution = durable.start(self._work[kind], data, **options)
        self._begin(execution.id)
        return str(execution.id)

    def start_many(self, kind: str, datas: list[dict[str, Any]]) -> None:
        """``durable.start_many``; one by one where each has tags and a subject of its own."""
        import durable

        if kind.startswith(KEYED):
            super().start_many(kind, datas)
            return
        started = durable.start_many(self._work[kind], datas)
        self._begin(started[0].id)

    def _begin(self, started: UUID) -> None:
        """Remember the millisecond of the first start: within it ids are in no order."""
        self._first = self._first or UUID(int=started.int >> 80 << 80)

    def forget(self) -> None:
        """Look at nothing that has been started so far."""
        self._first = None

    def send(self, execution: str) -> None:
        """``durable.send_event``."""
        import durable

        durable.send_event(execution, "go", {"n": 1})

    def answer(self, execution: str) -> None:
        """``durable.provide_input``."""
        import durable

        durable.provide_input(execution, "manager", "approved")

    def finished(self, execution: str) -> bool:
        """One look by its primary key."""
        return bool(self._rows().filter(pk=execution, finished_at__isnull=False).exists())

    def remaining(self) -> int:
        """Roots started here that are not final; the scan is bounded by the first one's id."""
        return int(self.started().filter(finished_at__isnull=True).count())

    def parked(self) -> int:
        """Roots started here in a wait, or asleep, without a worker."""
        from django.db.models import Q

        away = Q(status="waiting") | Q(status="pending", ready_at__isnull=True)
        return int(self.started().filter(away, worker__isnull=True).count())

    def verify(self, kind: str, count: int) -> dict[str, tuple[int, int]]:
        """Final status and data of each execution; each step's checkpoint; each written row."""
        from benchmarks.app.models import Row
        from durable.models import StepRun

        plain = kind.removeprefix(KEYED)
        expected = STEPS if plain in ("pipeline", "rows") else 1
        right = self.results(expected)
        steps = StepRun.objects.filter(status="completed", execution_id__gte=self._first)
        found = {"results": (right, count), "steps": (steps.count(), count * expected)}
        if plain == "rows":
            texts = Row._default_manager.exclude(text="subject").values("text").distinct()
            found["rows"] = (texts.count(), count * STEPS)
        return found

    def work(self, slots: int, working: Callable[[], None]) -> None:
        """``durable_worker --concurrency`` without its command line."""
        from durable.worker.worker import WorkerProcess

        self._worker = WorkerProcess({"default": slots}, on_up=working)
        self._worker.run()

    def stop(self) -> None:
        """As on SIGTERM."""
        self._worker.request_stop()

    def close(self) -> None:
        """Close Django's connections."""
        from django.db import connections

        connections.close_all()

    def _rows(self) -> Any:
        from durable.models import Execution

        return Execution.objects.order_by()

    def started(self) -> Any:
        """Roots from the first on that this client has started: ids follow time."""
        return self._rows().filter(pk__gte=self._first, role="root")


ENGINE = Ours
