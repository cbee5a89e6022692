"""``manage.py durable_worker``: run workflows until a signal stops the worker."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from durable import conf
from durable.management.transactions import refuse_open
from durable.showing import values
from durable.showing.characters import visible_line
from durable.storage.reconnect import disconnect
from durable.storage.transaction import connection
from durable.worker.arrival import NoDatabase, patiently
from durable.worker.processes import stop_with_parent, supervise
from durable.worker.reload import run_reloading
from durable.worker.worker import WorkerProcess

logger = logging.getLogger("durable.worker")

#: the exit code that asks a process manager to start the worker anew (EX_TEMPFAIL)
REPLACE_ME = 75


class Command(BaseCommand):
    help = (
        "Run workflows: claim due executions from the database and work on them. SIGTERM (or "
        "Ctrl-C) lets running steps reach their checkpoint; a second one releases them at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options of a worker."""
        parser.add_argument(
            "--queues",
            help="comma-separated names, each with its concurrency if it differs from the "
            "settings: default,mail=2 (default: all of DURABLE['QUEUES'])",
        )
        parser.add_argument(
            "--concurrency", type=int, help="the most executions at a time, for each queue"
        )
        parser.add_argument(
            "--processes", type=int, default=1, help="the number of worker processes (default 1)"
        )
        parser.add_argument("--burst", action="store_true", help="stop when nothing is due")
        parser.add_argument(
            "--max-executions", type=int, help="stop after this many claims (for each process)"
        )
        parser.add_argument(
            "--reload",
            action="store_true",
            help="for development: watch the code, drain and restart when it changes",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="print a line of JSON when a worker is up and when it has stopped",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one worker in this process, or several in processes of their own."""
        refuse_open(
            "durable_worker",
            "its threads don't see what that has written; in a test take durable.testing.drain, "
            "or a TransactionTestCase",
        )
        queues = self._queues(options["queues"], options["concurrency"])
        if options["processes"] < 1:
            raise CommandError("--processes must be at least 1")
        if options["max_executions"] is not None and options["max_executions"] < 1:
            raise CommandError("--max-executions must be at least 1")
        if options["reload"] and options["processes"] > 1:
            raise CommandError("--reload is for development, with one process: leave out one")
        self._log(options["verbosity"])
        if options["processes"] > 1:
            self._await_database()
            sys.exit(supervise(options["processes"], _arguments()))
        worker = WorkerProcess(
            queues,
            burst=options["burst"],
            max_executions=options["max_executions"],
            on_up=lambda: self._say("started", worker) if options["json"] else None,
        )
        handlers = {
            number: signal.signal(number, lambda *_: _stop(worker))
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        stop_with_parent(worker.request_stop)

        def has_stopped() -> None:
            if options["json"] and worker.was_up:
                self._say("stopped", worker)

        try:
            if options["reload"]:
                run_reloading(worker, has_stopped)
            else:
                worker.run()
        except NoDatabase as error:
            if not worker.stopping:
                raise CommandError(visible_line(error)) from error
            logger.warning("stopped before it was up: %s", error)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        has_stopped()
        code = REPLACE_ME if worker.exhausted else 0
        if getattr(self, "_called_from_command_line", False):
            _leave_threads_behind(code)
        if code:
            sys.exit(code)

    def _await_database(self) -> None:
        """Wait for the database before starting processes: each would wait and be replaced."""
        try:
            patiently(connection().ensure_connection)
        except NoDatabase as error:
            raise CommandError(visible_line(error)) from error
        disconnect()

    def _queues(self, given: str | None, concurrency: int | None) -> dict[str, int]:
        if concurrency is not None and concurrency < 1:
            raise CommandError("--concurrency must be at least 1")
        configured = conf.queues()
        if not given:
            return {name: concurrency or size for name, size in configured.items()}
        queues: dict[str, int] = {}
        for part in given.split(","):
            name, equals, size = (word.strip() for word in part.partition("="))
            if not name or (equals and not (size.isdecimal() and int(size) > 0)):
                raise CommandError(f"--queues: {part!r} is not a name, or name=number")
            if name in queues:
                raise CommandError(f"--queues: {name!r} is there twice")
            queues[name] = (
                int(size)
                if equals
                else concurrency or configured.get(name, conf.DEFAULT_CONCURRENCY)
            )
        return queues

    def _say(self, event: str, worker: WorkerProcess) -> None:
        """Print one line of JSON for the program that watches this process."""
        said = {
            "event": event,
            "worker": str(worker.worker),
            "pid": os.getpid(),
            "queues": worker.queues,
            "claimed": worker.claimed,
        }
        self.stdout.write(values.document(said, indent=None))
        self.stdout.flush()

    def _log(self, verbosity: int) -> None:
        """Print the worker's log, unless the project has configured the logger."""
        logger = logging.getLogger("durable")
        if logger.handlers or logging.getLogger().handlers or verbosity == 0:
            return
        handler = logging.StreamHandler(self.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if verbosity > 1 else logging.INFO)


def _leave_threads_behind(code: int) -> None:
    """Exit although steps have left threads for which Python would wait."""
    others = [t for t in threading.enumerate() if t is not threading.main_thread()]
    staying = [thread for thread in others if not thread.daemon]
    if not staying:
        return
    logger.warning("leaving %d threads behind that steps have started", len(staying))
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _stop(worker: WorkerProcess) -> None:
    if worker.stopping:
        worker.hurry()
    else:
        worker.request_stop()


def _arguments() -> list[str]:
    """The arguments of this command without ``--processes``."""
    arguments, skip = [], False
    for argument in sys.argv[1:]:
        if skip:
            skip = False
        elif argument == "--processes":
            skip = True
        elif not argument.startswith("--processes="):
            arguments.append(argument)
    return arguments
