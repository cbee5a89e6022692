"""``manage.py durable_workers``: list live workers, and with ``--all`` stopped ones."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from durable import clock
from durable.conf import database
from durable.management.base import DurableCommand, Options
from durable.models import Worker
from durable.showing import times

STOPPED_SHOWN = 20


class Command(DurableCommand):
    help = "List the live workers; with --all also the last stopped ones."

    def arguments(self, parser: ArgumentParser) -> None:
        """Whether to list stopped workers."""
        parser.add_argument(
            "--all", action="store_true", help=f"list the last {STOPPED_SHOWN} stopped workers, too"
        )

    def answer(self, options: Options) -> None:
        """List the workers."""
        self.require("view_workers")
        present = clock.read(database())
        found = list(Worker.objects.filter(stopped_at__isnull=True).order_by("started_at"))
        if options["all"]:
            gone = Worker.objects.filter(stopped_at__isnull=False).order_by("-stopped_at")
            found += gone[:STOPPED_SHOWN]
        found = self.allowed("view_workers", found)
        if self.as_json:
            self.show({"workers": [shown(worker, present) for worker in found]})
            return
        self.show_table(
            ("NAME", "STATE", "QUEUES", "RUNNING", "WORKFLOWS", "UP FOR", "HEARTBEAT"),
            [
                (
                    worker.name,
                    state(worker, present),
                    ", ".join(worker.queues),
                    worker.running,
                    len(worker.kinds),
                    times.age(worker.started_at, worker.stopped_at or present),
                    f"{times.age(worker.heartbeat_at, present)} ago",
                )
                for worker in found
            ],
            "no worker is alive",
        )


def state(worker: Worker, present: Any) -> str:
    """``stopped``, ``alive``, or ``dead`` if the lease has run out."""
    if worker.stopped_at is not None:
        return "stopped"
    return "alive" if worker.expires_at > present else "dead"


def shown(worker: Worker, present: Any) -> dict[str, Any]:
    """A worker as JSON."""
    return {
        "id": worker.pk,
        "name": worker.name,
        "state": state(worker, present),
        "queues": worker.queues,
        "kinds": worker.kinds,
        "running": worker.running,
        "listening": worker.listening,
        "started_at": worker.started_at,
        "heartbeat_at": worker.heartbeat_at,
        "expires_at": worker.expires_at,
        "stopped_at": worker.stopped_at,
    }
