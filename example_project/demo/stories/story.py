"""What the stories have in common: executions with names, endings, mails, promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Self
from uuid import UUID

from durable.models import Execution, StepRun, Wait
from example_project.demo.place import Outages
from example_project.demo.screen import State


class Ending(NamedTuple):
    """How an execution must end: its status, and a value in its data, or in its error."""

    status: str
    path: str  # such as "report.orders" or "error.type"
    value: object

    def found(self, row: Execution) -> object:
        """The value that is there."""
        value: Any = {**(row.data or {}), "error": row.error}
        for key in self.path.split("."):
            value = (value or {}).get(key)
        return value

    def is_of(self, row: Execution) -> bool:
        """Whether it did end like that."""
        return row.status == self.status and self.found(row) == self.value


class Mail(NamedTuple):
    """A mail that must have been sent, once."""

    to: str
    subject: str


class Story(ABC):
    """One workflow of the shop: what is started of it, and what must be true in the end."""

    def __init__(self, outages: Outages) -> None:
        self.outages = outages
        self.executions: dict[str, UUID] = {}  # by the names that they have on the screen
        self.endings: dict[str, Ending] = {}

    @abstractmethod
    def start(self) -> None:
        """Make the rows that the workflow needs, and start it."""

    def add(self, name: str, execution: Execution, ending: Ending) -> None:
        """An execution, and how it must end."""
        self.executions[name] = execution.pk
        self.endings[name] = ending

    def row(self, name: str) -> Execution:
        """An execution as it is now."""
        return Execution.objects.get(pk=self.executions[name])

    def has_ended(self, *names: str) -> bool:
        """Whether none of these executions (or of all) can still go on."""
        ids = [self.executions[name] for name in names or self.executions]
        return not Execution.objects.filter(pk__in=ids).unfinished().exists()

    def state(self, row: Execution) -> State:
        """Where an execution stands, in a few words."""
        step = "" if row.path.startswith("~") else row.path  # "~": on the way back
        return State(f"{row.status:<12} {step}{_what_it_waits_for(row)}".rstrip())

    def mails(self) -> list[Mail]:
        """The mails that must have been sent, each exactly once."""
        return []

    def promises(self) -> dict[str, bool]:
        """What had to be true besides the endings and the mails, and whether it is."""
        return {}


class Evidence(NamedTuple):
    """What was done, and what was in a worker's hands, when that worker was killed."""

    done: frozenset[tuple[Any, ...]]
    in_flight: frozenset[UUID]

    @classmethod
    def of(cls, execution: UUID) -> Self:
        """What is on record of an execution with its branches and items."""
        tree = Execution.objects.filter(root_id=execution)
        in_flight = tree.filter(worker__isnull=False).values_list("pk", flat=True)
        return cls(frozenset(_completed(execution)), frozenset(in_flight))

    def stands(self, execution: UUID) -> bool:
        """Whether all that was done is still on record as it was, and no step of it ran again."""
        now = set(_completed(execution))
        since = {place(step) for step in now - self.done}
        return self.done <= now and since.isdisjoint(map(place, self.done))


def place(step: tuple[Any, ...]) -> tuple[Any, ...]:
    """Which step of which execution it was, or which compensation."""
    return step[:3]


def _completed(execution: UUID) -> list[tuple[Any, ...]]:
    """The completed steps of a tree; a finished item that was claimed again has another fence."""
    runs = StepRun.objects.filter(execution__root_id=execution).completed()
    items = Execution.objects.filter(root_id=execution, role="item", finished_at__isnull=False)
    fences = dict(items.values_list("pk", "fence"))
    columns = ("execution", "path", "compensation", "pk", "ended_at", "worker")
    return [(*step, fences.get(step[0])) for step in runs.values_list(*columns)]


def _what_it_waits_for(row: Execution) -> str:
    if row.status == "pending" and row.attempt > 1:
        return f" (attempt {row.attempt} follows)"
    wait = Wait.objects.open().filter(execution=row.pk).first()
    if wait is None:
        return " (its worker died)" if row.recoveries else ""
    if wait.kind == "timer":
        return " (asleep)"
    if wait.kind == "input":
        return f" (asks: {wait.name})"
    return f" (for {' or '.join(wait.names)})"
