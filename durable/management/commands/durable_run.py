"""``manage.py durable_run``: start an execution, and with ``--wait`` wait for its end."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from durable.doors import access, names, starting
from durable.engine.run.result import follow, refuse_transaction
from durable.engine.start.start import StartOptions
from durable.errors import ResultTimeout
from durable.management.arguments import (
    file_text,
    instant,
    json_of,
    seconds,
    span,
    subject,
    tag,
    tags,
)
from durable.management.base import DurableCommand, Options
from durable.management.dossier import summary
from durable.management.output import wants_colour
from durable.management.progress import Display, line_of
from durable.models import Execution
from durable.showing import values
from durable.showing.characters import visible_line
from durable.showing.masking import Masking, mask
from durable.states import Status

INTERRUPTED = 130


class Command(DurableCommand):
    help = (
        "Start an execution and print its id; with --wait show its progress, then its result. "
        "Exit code 0 only if the execution is started (and, with --wait, completed)."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        """The workflow, the input and the options of the start."""
        parser.add_argument("workflow", help="the workflow's name")
        given = parser.add_mutually_exclusive_group()
        given.add_argument(
            "--input",
            metavar="JSON",
            help="the input, a JSON object; - reads it from standard input",
        )
        given.add_argument(
            "--input-file", metavar="FILE", help="a file with the input; - is standard input"
        )
        parser.add_argument("--queue", help="the queue (default: the workflow's)")
        parser.add_argument("--priority", type=int, help="higher goes first")
        when = parser.add_mutually_exclusive_group()
        when.add_argument("--delay", type=span, metavar="30m", help="start after this time span")
        when.add_argument(
            "--at",
            type=instant,
            metavar="TIME",
            help="start at this time, such as 2030-05-06T12:30",
        )
        parser.add_argument(
            "--idempotency-key", help="a second start with this key gives the first execution"
        )
        parser.add_argument(
            "--key",
            action="append",
            default=[],
            help="a correlation key, by which the execution receives published events (repeatable)",
        )
        parser.add_argument(
            "--tag",
            action="append",
            type=tag,
            default=[],
            metavar="NAME=VALUE",
            help="a tag; the value is JSON if it is JSON, else text (repeatable)",
        )
        parser.add_argument(
            "--subject", metavar="APP.MODEL:PK", help="the row that the execution is about"
        )
        parser.add_argument(
            "--wait", action="store_true", help="wait until the execution is finished"
        )
        parser.add_argument(
            "--timeout", type=seconds, metavar="SECONDS", help="--wait: give up after this time"
        )

        parser.add_argument(
            "--show-secrets", action="store_true", help="--wait: do not mask the result"
        )

    def answer(self, options: Options) -> None:
        """Start the execution; print its id, or its result."""
        if options["timeout"] is not None and not options["wait"]:
            raise CommandError("--timeout says how long to wait: add --wait")
        if options["wait"]:
            refuse_transaction()
        cls = names.resolve(self.by, options["workflow"])
        self.require("start", cls)
        if options["wait"]:
            self.require("view")
        if options["show_secrets"]:
            self.require("view_payload")
        asked = StartOptions(
            queue=options["queue"],
            priority=options["priority"],
            scheduled_at=options["at"],
            delay=options["delay"],
            idempotency_key=options["idempotency_key"],
            keys=options["key"],
            subject=subject(options["subject"], self.by),
            tags=tags(options["tag"]),
        )
        execution = starting.start(self.by, cls, _input(options), asked)
        if not execution.created and options["verbosity"]:
            self.tell("it was started before with this idempotency key")
        if options["wait"]:
            if self.by is not None and not access.sees(self.by, execution.root_id):
                raise CommandError(f"{execution.pk} is started; {self.by} may not see it")
            self._wait(execution, options)
        elif self.as_json:
            self.show(_shown(execution))
        else:
            self.say(str(execution.pk))

    def _wait(self, started: Execution, options: Options) -> None:
        """Show the progress on standard error; the answer is the result."""
        loud = bool(options["verbosity"])
        in_place = wants_colour(self.stderr, {})
        columns = shutil.get_terminal_size().columns
        display = Display(self.stderr, in_place=in_place, columns=columns)
        if loud:
            self.tell(str(started.pk))
        now = started
        try:
            for now in follow(started.pk, options["timeout"]):
                if loud:
                    display.show(line_of(summary(now)))
        except ResultTimeout as late:
            self._end(now, started.created, options)
            raise CommandError(f"{late}; it goes on") from None
        except KeyboardInterrupt:
            raise CommandError(
                f"interrupted; execution {started.pk} goes on", returncode=INTERRUPTED
            ) from None
        finally:
            display.close()
        self._end(now, started.created, options)
        if now.status != Status.COMPLETED:
            error = summary(now)["error"] or {}
            why = f": {error.get('type')}: {error.get('message')}" if error else ""
            raise CommandError(visible_line(f"{now.pk} is {now.status}{why}"))

    def _end(self, execution: Execution, created: bool, options: Options) -> None:
        result = Masking(off=options["show_secrets"]).value(execution.result)
        if self.as_json:
            self.show({**_shown(execution), "created": created, "result": result})
        elif execution.status == Status.COMPLETED:
            self.say(values.document(result))


def _input(options: Options) -> Any:
    if options["input"] is not None:
        return json_of(options["input"], "the input")
    if options["input_file"] is not None:
        return json_of(file_text(options["input_file"], "the input"), "the input")
    return None


def _shown(execution: Execution) -> dict[str, Any]:
    error = summary(execution)["error"]
    return {
        "id": execution.pk,
        "workflow": execution.workflow,
        "version": execution.version,
        "status": execution.status,
        "created": execution.created,
        "tags": mask(execution.tags),
        "error": error,
    }
