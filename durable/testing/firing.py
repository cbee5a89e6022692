"""Choose the schedules that fire in a test: none, unless the test asks for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q

from durable import clock
from durable.authoring.parse.wording import did_you_mean
from durable.authoring.workflow import Workflow
from durable.engine.calendar import deployed
from durable.errors import ScheduleNotFound
from durable.models import Schedule
from durable.models.schedule import ScheduleQuerySet

#: the argument of ``time_travel(schedules=…)``: a bool, or names of schedules and workflows
Wanted = bool | Iterable[str | type[Workflow]]


@dataclass(frozen=True)
class Choice:
    """The schedules that fire within one block of ``time_travel``."""

    everything: bool = False
    names: Collection[str] = ()
    workflows: Collection[str] = ()  # workflows all of whose schedules fire
    since: datetime | None = None  # the earliest time shown by the block's clock

    @classmethod
    def of(cls, wanted: Wanted) -> Choice:
        """The choice of a test; ``TypeError`` if it is neither a bool nor such a list."""
        if isinstance(wanted, bool):
            return cls(everything=wanted)
        listed = [] if isinstance(wanted, str) or not isinstance(wanted, Iterable) else [*wanted]
        names = [one for one in listed if isinstance(one, str)]
        kinds = [one for one in listed if isinstance(one, type) and issubclass(one, Workflow)]
        if not listed or len(names) + len(kinds) != len(listed):
            raise TypeError(
                "schedules= takes True, False, or a list of workflows and names of schedules, "
                f"not {wanted!r}"
            )
        return cls(names=names, workflows=[one.definition.name for one in kinds])

    def begun(self, at: datetime) -> Choice:
        """This choice, for a block whose clock begins at ``at``."""
        return replace(self, since=at if self.since is None else min(self.since, at))

    def is_none(self) -> bool:
        """Whether no schedule fires."""
        return not (self.everything or self.names or self.workflows)

    def rows(self) -> ScheduleQuerySet:
        """The schedules that fire."""
        found: ScheduleQuerySet = Schedule.objects.all()
        if self.everything:
            return found
        if self.is_none():
            return found.none()
        return found.filter(Q(name__in=self.names) | Q(workflow__in=self.workflows))


_choice = Choice()


def chosen() -> Choice:
    """The current choice."""
    return _choice


def choose(choice: Choice) -> None:
    """Set the current choice."""
    global _choice
    _choice = choice


def rows() -> ScheduleQuerySet:
    """The schedules that fire under the current choice."""
    return _choice.rows()


def register() -> int:
    """Register the declared schedules, and restart the firing ones at the block's clock.

    Schedules made inside the block keep their times.
    """
    changed = deployed.register_declared()
    if _choice.since is not None and not _choice.is_none():
        outside = Q(created_at__lt=_choice.since) | Q(created_at__gt=clock.now())
        deployed.restart(rows().filter(outside))
    return changed


def check_names() -> None:
    """``ScheduleNotFound`` if the choice names an unknown schedule."""
    known = set(Schedule.objects.values_list("name", flat=True)) if _choice.names else set()
    for name in _choice.names:
        if name not in known:
            raise ScheduleNotFound(f"there is no schedule {name!r}.{did_you_mean(name, known)}")
