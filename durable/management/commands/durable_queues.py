"""``manage.py durable_queues``: list queues; pause, resume or limit one."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from durable import clock
from durable.conf import database
from durable.engine.operators import queues
from durable.engine.operators.queues import QueueState
from durable.management.base import DurableCommand, Options
from durable.showing import times

NO_LIMIT = "none"


class Command(DurableCommand):
    help = "List queues with their due and running executions; pause, resume or limit one."

    def arguments(self, parser: ArgumentParser) -> None:
        """The action, the queue and the limit."""
        parser.add_argument(
            "action",
            nargs="?",
            default="list",
            choices=("list", "pause", "resume", "limit"),
            help="list (default); pause: claim no more from it; resume; limit: over all workers",
        )
        parser.add_argument("name", nargs="?", help="the queue")
        parser.add_argument(
            "number",
            nargs="?",
            help=f"limit: the most executions that run at once, or {NO_LIMIT!r}",
        )

    def answer(self, options: Options) -> None:
        """List the queues, or change one."""
        action, name, number = options["action"], options["name"], options["number"]
        if action == "list":
            if name is not None:
                raise CommandError("list takes no name")
            self._list(self._seen())
            return
        if name is None:
            raise CommandError(f"which queue? {action} takes its name")
        if (number is not None) != (action == "limit"):
            raise CommandError(f"limit takes a number or {NO_LIMIT!r}; the others take none")
        names = [state.name for state in self._seen()]
        if name not in names:
            raise CommandError(f"there is no queue {name!r}, only {', '.join(names)}")
        self.require("manage_queues", name)
        if action == "limit":
            queues.limit_queue(name, _limit(number), by=self.by)
        else:
            (queues.pause_queue if action == "pause" else queues.resume_queue)(name, by=self.by)
        self._list([state for state in self._seen() if state.name == name])

    def _seen(self) -> list[QueueState]:
        """The queues that the user (or the program) may see."""
        self.require("view_queues")
        return self.allowed("view_queues", queues.states(), lambda state: state.name)

    def _list(self, states: list[QueueState]) -> None:
        present = clock.read(database())
        if self.as_json:
            self.show({"queues": [shown(state, present) for state in states]})
            return
        self.show_table(HEAD, rows(states, present), "no queues")


HEAD = ("QUEUE", "STATE", "DUE", "LAG", "RUNNING", "LIMIT", "PER WORKER")


def rows(states: list[QueueState], present: Any) -> list[tuple[Any, ...]]:
    """The queues as rows of a table."""
    return [
        (
            state.name,
            "paused" if state.paused else "open",
            state.depth,
            times.age(state.due_since, present),
            state.running,
            state.limit,
            state.concurrency,
        )
        for state in states
    ]


def shown(state: QueueState, present: Any) -> dict[str, Any]:
    """A queue as JSON; ``lag`` in seconds."""
    lag = present - state.due_since if state.due_since is not None else None
    return {
        "name": state.name,
        "paused": state.paused,
        "depth": state.depth,
        "lag": times.in_seconds(lag),
        "running": state.running,
        "limit": state.limit,
        "concurrency": state.concurrency,
    }


def _limit(text: str) -> int | None:
    if text == NO_LIMIT:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise CommandError(f"limit takes a whole number from 1 on or {NO_LIMIT!r}, not {text!r}")
    return int(text)
