"""``manage.py durable_tick``: one pass of schedules, timers and due work, then exit."""

from __future__ import annotations

import signal
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.core.management.base import BaseCommand, CommandError

from durable.engine.duties import inline
from durable.engine.duties.duty import duties_of
from durable.engine.duties.rota import Rota
from durable.management.transactions import of_a_test
from durable.showing import values
from durable.showing.characters import visible_line
from durable.worker.arrival import NoDatabase
from durable.worker.worker import WorkerProcess


class Pass(NamedTuple):
    """The work done in one pass."""

    claimed: int
    duties: Mapping[str, int]  # how many rows by each duty
    stopped: bool  # also if its time was over


class Command(BaseCommand):
    help = (
        "For hosts without a resident worker: register and fire schedules, wake timers, deliver "
        "events, run due executions, and exit. Call it every minute; several at once do no harm."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The time limit and the form of the answer."""
        parser.add_argument(
            "--max-seconds",
            type=float,
            default=50.0,
            help="begin no step after this time (default 50); running steps then have "
            "DURABLE['SHUTDOWN_GRACE'] to reach their checkpoint, or are due again",
        )
        parser.add_argument("--json", action="store_true", help="print the counts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until nothing is due or the time is over."""
        if options["max_seconds"] <= 0:
            raise CommandError("--max-seconds must be more than 0")
        begun = time.monotonic()
        look = self._in_the_test if of_a_test("durable_tick") else self._with_a_worker
        done = look(options["max_seconds"])
        report = {
            "schedules_registered": done.duties["declare"],
            "slots_fired": done.duties["fire"],
            "executions_worked": done.claimed,
            "stopped_early": done.stopped and time.monotonic() - begun >= options["max_seconds"],
            "seconds": round(time.monotonic() - begun, 3),
        }
        if options["json"]:
            self.stdout.write(values.document(report, indent=None))
        elif options["verbosity"]:
            self.stdout.write(
                f"{report['slots_fired']} slots fired, {done.claimed} executions worked "
                f"in {report['seconds']:.1f} s"
            )

    def _with_a_worker(self, max_seconds: float) -> Pass:
        """Run a worker that ends when nothing is due, with threads and connections of its own."""
        worker = WorkerProcess(burst=True)
        timer = threading.Timer(max_seconds, worker.request_stop)
        timer.daemon = True
        handler = None
        if threading.current_thread() is threading.main_thread():
            handler = signal.signal(signal.SIGTERM, lambda *_: worker.request_stop())
        timer.start()
        try:
            worker.run()
        except NoDatabase as error:
            raise CommandError(visible_line(error)) from error
        finally:
            timer.cancel()
            if handler is not None:
                signal.signal(signal.SIGTERM, handler)
        return Pass(worker.claimed, worker.done, worker.stopping)

    def _in_the_test(self, max_seconds: float) -> Pass:
        """Run one execution after the other in this thread: others can't see the test's rows."""
        end, rota = time.monotonic() + max_seconds, Rota(duties_of())
        claimed = inline.work(sys.maxsize, rota, lambda: time.monotonic() >= end)
        return Pass(claimed, rota.done, True)
