"""``manage.py durable_tick``: one pass of schedules, timers and due work, then the end."""

from __future__ import annotations

import signal
import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from durable.showing import values
from durable.worker.worker import Worker


class Command(BaseCommand):
    help = (
        "For hosts without a resident worker: register and fire schedules, bring about what is "
        "due, run it, and end. Call it every minute; several at once do no harm."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How long it may take."""
        parser.add_argument(
            "--max-seconds",
            type=float,
            default=50.0,
            help="begin no further step after that long (default 50); those that run then have "
            "DURABLE['SHUTDOWN_GRACE'] to reach their checkpoint, or are due again",
        )
        parser.add_argument("--json", action="store_true", help="say in JSON what was done")

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until nothing is due, or the time is over."""
        if options["max_seconds"] <= 0:
            raise CommandError("--max-seconds must be more than 0")
        begun = time.monotonic()
        worker = Worker(burst=True)
        timer = threading.Timer(options["max_seconds"], worker.request_stop)
        timer.daemon = True
        handler = None
        if threading.current_thread() is threading.main_thread():
            handler = signal.signal(signal.SIGTERM, lambda *_: worker.request_stop())
        timer.start()
        try:
            worker.run()
        finally:
            timer.cancel()
            if handler is not None:
                signal.signal(signal.SIGTERM, handler)
        report = {
            "schedules_registered": worker.done["declare"],
            "slots_fired": worker.done["fire"],
            "executions_worked": worker.claimed,
            "stopped_early": worker.stopping and time.monotonic() - begun >= options["max_seconds"],
            "seconds": round(time.monotonic() - begun, 3),
        }
        if options["json"]:
            self.stdout.write(values.document(report, indent=None))
        elif options["verbosity"]:
            self.stdout.write(
                f"{report['slots_fired']} slots fired, {worker.claimed} executions worked "
                f"in {report['seconds']:.1f} s"
            )
