"""Landings: the only updates of an execution's status, each with every column of its life.

A status alone does not say where an execution stands: ``pending`` may be due, asleep or without a
turn; ``compensating`` may be held, due, asleep or parked. So no code assigns a status. Code calls
a landing, which writes each column of ``LIFE`` or keeps it on purpose. Columns beside a landing
(position, data, deadline) are written by the same statement, as keywords.

The methods after the landings change single columns of an execution that stays where it stands.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from durable import clock
from durable.models.base import EngineQuerySet
from durable.models.fields import Stored
from durable.models.role import Role
from durable.states import UNFINISHED, Status, sources

#: the columns of an execution's life; ``fence`` grows with a claim, and when one is taken away
LIFE = frozenset(
    {
        "status",
        "ready_at",
        "wake_at",
        "resume_at",
        "worker",
        "released",
        "pause_requested",
        "blocked_by",
        "error",
        "finished_at",
        "unreported",
        "fence",
    }
)

Moment = datetime | Combinable | None  # an instant, an expression of the database's clock, or none
Error = Stored | dict[str, Any] | None  # an error described by ``failures``

M = TypeVar("M", bound=models.Model)

KEPT: Any = object()

#: the values of each landing, unless it has its own
_REST: dict[str, Any] = {
    "ready_at": None,
    "wake_at": None,
    "resume_at": None,
    "worker": None,
    "released": KEPT,
    "pause_requested": False,
    "blocked_by": "",
    "error": None,
    "finished_at": None,
    "unreported": False,
    "fence": KEPT,
}

_ROLLS = Q(status=Status.COMPENSATING)
_TURNLESS = Q(released=False, cancel_requested_at__isnull=True)


class Landings(EngineQuerySet[M]):
    """The places where executions come to stand. Each landing returns the number of moved rows.

    ``rolls``: True if the caller knows that the rows roll back: they keep their status and their
    rollback's error; False: rows that roll back do not move; None: the database decides by status.
    ``out_of`` are the statuses that the rows may leave; a final one only if named here.
    """

    def held(self, worker: UUID, *, rolls: bool | None = None) -> int:
        """Held by a worker, under a new fence."""
        return self._land(
            Status.RUNNING,
            rolls,
            worker=worker,
            fence=F("fence") + 1,
            pause_requested=KEPT,
            unreported=KEPT,
            beside={"started_at": Coalesce("started_at", clock.now())},
        )

    def due(
        self,
        *,
        rolls: bool | None = None,
        out_of: Collection[Status] = UNFINISHED,
        **beside: Any,
    ) -> int:
        """Ready for a worker now."""
        return self._land(Status.PENDING, rolls, out_of=out_of, ready_at=clock.now(), beside=beside)

    def asleep(self, until: Moment, *, rolls: bool | None = None, **beside: Any) -> int:
        """Ready for a worker at ``until``."""
        return self._land(Status.PENDING, rolls, wake_at=until, beside=beside)

    def turnless(
        self, *, unreported: bool, out_of: Collection[Status] = UNFINISHED, **beside: Any
    ) -> int:
        """Items without a turn; ``unreported`` if the parent must give them one."""
        return self._land(
            Status.PENDING,
            False,
            out_of=out_of,
            released=False,
            unreported=unreported,
            beside=beside,
        )

    def freed(self, *, died: bool, until: Moment = None, rolls: bool | None = None) -> int:
        """Taken from a worker: ready at once, except batch items that the worker never started.

        Those wait for a turn again, which their parent must give. ``died`` counts a recovery;
        with ``until`` the rows are ready only then.
        """
        due = Case(When(_TURNLESS, then=None), default=clock.now() if until is None else until)
        return self._land(
            Status.PENDING,
            rolls,
            ready_at=due if until is None else None,
            wake_at=None if until is None else due,
            fence=F("fence") + 1,
            pause_requested=KEPT,
            unreported=Case(When(released=False, then=True), default=F("unreported")),
            beside={"recoveries": F("recoveries") + int(died)},
        )

    def parked(self, until: Moment, *, rolls: bool | None = None, **beside: Any) -> int:
        """In a wait that ends at ``until`` at the latest (``None``: never by itself)."""
        return self._land(Status.WAITING, rolls, wake_at=until, beside=beside)

    def paused(self, resume_at: Moment, **beside: Any) -> int:
        """Paused by an operator; ``resume_at`` is when the rows would have been due."""
        return self._land(Status.PAUSED, False, resume_at=resume_at, beside=beside)

    def blocked(self, by: str, error: Error) -> int:
        """Blocked until ``by`` is there: a ``"worker"``, ``"code"``, or a ``"child"``'s code."""
        return self._land(Status.BLOCKED, False, blocked_by=by, error=error)

    def rolling(
        self,
        error: Error,
        *,
        held: bool,
        out_of: Collection[Status] = UNFINISHED,
        **beside: Any,
    ) -> int:
        """In the rollback of all completed steps, because of ``error``.

        ``held``: the worker that has the row keeps it; otherwise the row is ready for any worker.
        """
        return self._land(
            Status.COMPENSATING,
            False,
            out_of=out_of,
            ready_at=None if held else clock.now(),
            worker=KEPT if held else None,
            released=True,
            error=error,
            beside=beside,
        )

    def ended(self, target: Status, error: Error, *, report: bool = True, **beside: Any) -> int:
        """Ended. A waiting parent must look at the rows, unless ``report`` is False.

        An item that was not cancelled is not reported here: handing on its turn does that.
        """
        heard: Any = KEPT
        if report:
            heard = F("awaited")
            if target != Status.CANCELLED:
                heard = Case(When(role=Role.ITEM, then=Value(False)), default=heard)
        return self._land(
            target,
            False,
            released=True,
            error=error,
            finished_at=clock.now(),
            unreported=heard,
            beside=beside,
        )

    def _land(
        self,
        target: Status,
        rolls: bool | None,
        *,
        beside: dict[str, Any] | None = None,
        out_of: Collection[Status] = UNFINISHED,
        **own: Any,
    ) -> int:
        """Write every column of ``LIFE``: those of ``_REST``, unless the landing has its own."""
        beside = beside or {}
        if strange := LIFE & beside.keys():
            raise TypeError(f"only a landing itself writes {', '.join(sorted(strange))}")
        row = {"status": target, **_REST, **own}
        leaving = (sources(target) | _STAYS.get(target, frozenset())) & frozenset(out_of)
        if rolls is None:
            leaving |= {Status.COMPENSATING}
            row["status"] = Case(When(_ROLLS, then=F("status")), default=Value(target.value))
            row["error"] = Case(When(_ROLLS, then=F("error")))
        elif rolls:  # a write that keeps the status must not name it: SQLite rewrites its indexes
            leaving = frozenset({Status.COMPENSATING})
            del row["status"], row["error"]
        row = {name: value for name, value in row.items() if value is not KEPT}
        return self.filter(status__in=leaving).update(**row, **beside)

    # -- single columns, of an execution that stays where it stands ------------------------------

    def stand_at(self, **position: Any) -> int:
        """Move to another position; the columns are those of ``Position``."""
        if strange := LIFE & position.keys():
            raise TypeError(f"only a landing writes {', '.join(sorted(strange))}")
        return self.update(**position)

    def promoted(self) -> int:
        """Make sleepers ready, in the order of their wake times."""
        return self.update(ready_at=F("wake_at"), wake_at=None)

    def put_off(self, until: Moment) -> int:
        """Put off ready rows that could not be claimed, until ``until``; counts a recovery."""
        return self.update(ready_at=None, wake_at=until, recoveries=F("recoveries") + 1)

    def ask_to_pause(self) -> int:
        """Ask running rows to pause at their next checkpoint."""
        return self.filter(status=Status.RUNNING).update(pause_requested=True)

    def take_back_pause(self) -> int:
        """Withdraw the request to pause from rows that have not paused yet."""
        return self.update(pause_requested=False)

    def ask_to_cancel(self, reason: str, *, compensate: bool = False) -> int:
        """Ask rows to cancel; the first request counts."""
        return self.filter(cancel_requested_at__isnull=True).update(
            cancel_requested_at=clock.now(), cancel_reason=reason, cancel_compensate=compensate
        )

    def give_turn(self, **beside: Any) -> int:
        """Give waiting items a turn: they are ready."""
        return self.update(released=True, ready_at=clock.now(), **beside)

    def inherit_turn(self, *, paused: bool) -> int:
        """Give a running batch item the turn of the item before it, and its request to pause."""
        return self.update(released=True, pause_requested=paused)

    def mark_unreported(self) -> int:
        """Mark rows that their parent must look at."""
        return self.update(unreported=True)

    def mark_reported(self) -> int:
        """Mark rows as seen by their parent."""
        return self.update(unreported=False)


#: statuses whose landings also accept rows already in that status
_STAYS: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.PENDING}),
    Status.WAITING: frozenset({Status.WAITING}),
}
