"""The base classes of the commands: ``--by``, ``--json``, ids, messages, exit codes."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from abc import ABC, abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.db.models import Q

from durable.doors import access
from durable.errors import DurableError
from durable.management.output import Paint, wants_colour
from durable.models import Execution
from durable.showing import values
from durable.showing.characters import visible_line
from durable.storage import ids
from durable.storage.audit import origin

Options = Mapping[str, Any]
T = TypeVar("T")


def _itself(target: Any) -> Any:
    return target


def where_from() -> str:
    """The origin of a change in the audit trail: the command line, its account and machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # an account without a name, as in containers
        user = str(getattr(os, "getuid", lambda: "unknown")())
    return f"command {user}@{socket.gethostname()}"[:200]


class DurableCommand(BaseCommand, ABC):
    """A command that asks the engine for something, for the program or for the user of ``--by``."""

    #: whether the command takes ``--by``
    personal = True
    by: Any = None
    as_json = False
    paint = Paint(False)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Let options stand between arguments."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The command's own arguments, then ``--json`` and ``--by``."""
        self.arguments(parser)
        parser.add_argument("--json", action="store_true", help="answer in JSON")
        if self.personal:
            parser.add_argument(
                "--by",
                metavar="USERNAME",
                help="act as this user, with their permissions (default: the program itself)",
            )

    def arguments(self, parser: ArgumentParser) -> None:
        """The command's own arguments."""

    @abstractmethod
    def answer(self, options: Options) -> None:
        """Do the work; a ``DurableError`` becomes the message, with exit code 1."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Set the user, the origin and the form of the answer, then call ``answer``."""
        self.as_json = options["json"]
        self.paint = Paint(wants_colour(self.stdout, options))
        if hasattr(self.stdout, "reconfigure"):  # the encoding may lack our characters
            self.stdout.reconfigure(errors="backslashreplace")
        token = origin.set(where_from())
        try:
            self.by = self._user(options.get("by"))
            self.answer(options)
            self.stdout.flush()
        except DurableError as error:
            raise CommandError(visible_line(error)) from error
        except Error as error:
            raise CommandError(
                f"the database refuses: {visible_line(error)} (durable_doctor says more)"
            ) from error
        except BrokenPipeError:  # the reader (head, less) has closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        finally:
            origin.reset(token)

    def _user(self, name: str | None, option: str = "--by") -> Any:
        if name is None:
            return None
        users = get_user_model()
        try:
            return users._default_manager.get_by_natural_key(name)
        except users.DoesNotExist:
            raise CommandError(f"{option}: there is no user {name!r}") from None

    # -- what is meant ----------------------------------------------------------------------------

    def seen(self) -> Any:
        """The executions that the user (or the program) may see."""
        return Execution.objects.roots() if self.by is None else access.visible(self.by)

    def execution(self, text: str, rows: Any = None) -> Execution:
        """The execution with this id, or with an id that begins like this.

        Branches and items are found only by their full id.
        """
        rows = self.seen() if rows is None else rows
        try:
            found: Execution = ids.find(rows, text)
            return found
        except ids.UnknownId:
            whole = ids.id_range(text)
            if whole is not None and whole[0] == whole[1]:
                part = Execution.objects.filter(pk=whole[0], root_id__in=rows.values("pk")).first()
                if part is not None:
                    return part
            raise

    def require(self, action: str, target: Any = None) -> None:
        """Raise ``AccessDenied`` unless the user may do this; the program may do everything."""
        if self.by is not None:
            access.require(self.by, action, target)

    def allowed(
        self, action: str, targets: Iterable[T], of: Callable[[T], Any] = _itself
    ) -> list[T]:
        """The targets with which the user may do this; ``of`` gives the policies' target."""
        if self.by is None:
            return list(targets)
        return [one for one in targets if access.may(self.by, action, of(one))]

    # -- the answer -------------------------------------------------------------------------------

    def say(self, line: str = "") -> None:
        """A line of the answer, on standard output."""
        self.stdout.write(line)

    def tell(self, line: str) -> None:
        """A line besides the answer, on standard error."""
        self.stderr.write(line, lambda text: text)

    def show(self, document: Any) -> None:
        """The answer as a JSON document."""
        self.stdout.write(values.document(document))

    def show_table(self, head: Iterable[str], rows: Iterable[Any], otherwise: str) -> None:
        """The answer as a table; the words ``otherwise`` if it is empty."""
        lines = self.paint.table(list(head), rows)
        for line in lines or [otherwise]:
            self.say(line)


class ManyCommand(DurableCommand):
    """Does one thing to each of several executions; finds all of them before the first change."""

    done = ""  # the word for the message about each execution

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The ids of the executions, then the command's own arguments."""
        parser.add_argument(
            "ids", nargs="+", metavar="id", help="an execution's id, or its beginning"
        )
        super().add_arguments(parser)

    def to_each(self, texts: Iterable[str], call: Callable[[Execution], Execution]) -> None:
        """Run ``call`` on each execution in its own transaction; exit code 1 if any was refused."""
        found = {execution.pk: execution for execution in map(self.execution, texts)}
        results, refused = [], 0
        for execution in found.values():
            try:
                after = call(execution)
            except DurableError as error:
                refused += 1
                results.append(_result(execution, error=str(error)))
                self.tell(f"{execution.pk}: {visible_line(error)}")
            else:
                results.append(_result(after))
                if not self.as_json:
                    self.say(
                        f"{after.pk} {visible_line(after.workflow)} {self.done}: {after.status}"
                    )
        if self.as_json:
            self.show({"results": results})
        if refused:
            raise CommandError(f"{refused} of {len(found)} refused")


def _result(execution: Execution, error: str | None = None) -> dict[str, Any]:
    return {
        "id": execution.pk,
        "workflow": execution.workflow,
        "status": execution.status,
        "ok": error is None,
        "error": error,
    }


def asked(by: Any, rows: Any) -> Any:
    """``rows``, and the executions whose open questions ``by`` may answer."""
    if by is None:
        return rows
    roots = [wait.root_id for wait in access.asked_of(by)]
    return Execution.objects.filter(Q(pk__in=rows.values("pk")) | Q(pk__in=roots))
