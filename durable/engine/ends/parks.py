"""Park executions in new waits: many in one commit, each under its own fence.

Six statements for any number of parks: one locks the rows and their roots, one looks into the
inboxes, one gives correlation keys, two insert the waits and the records of the attempts, one
parks the rows. Whoever needs more than that is left out, and parks alone (``run/suspend.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

from durable import clock
from durable.engine.ends.checkpoint import Attempt, write_attempts
from durable.engine.row.held import Claim
from durable.models import CorrelationKey, Event, Execution, Wait
from durable.models.fields import uuid7
from durable.models.given import Among, ByKey
from durable.states import EventStatus, Status, WaitKind
from durable.storage import sizes
from durable.storage.failpoints import reach
from durable.storage.rowset import Rowset
from durable.storage.statement import Statement
from durable.storage.transaction import connection, in_transaction, lock

#: an instant, a time counted from the database's present, or none
Moment = datetime | clock.Now | None


@dataclass(frozen=True)
class Opening:
    """A wait to insert: the values of its columns, texts as the codec has written them."""

    execution_id: UUID
    root_id: UUID
    path: str
    visit: int
    kind: str
    name: str
    ordinal: int
    names: Sequence[str]
    key: str = ""  # until the wait is opened: without the scope
    deadline_at: Moment = None
    due_at: Moment = None
    notice_at: Moment = None
    notice: str | None = None
    question: str | None = None
    assignees: Sequence[str] = ()
    exclude: Sequence[str] = ()
    people: Mapping[str, Any] | None = None
    child_id: UUID | None = None
    opened_at: Moment = None
    id: UUID = field(default_factory=uuid7)

    def at(self, present: datetime, scope: str) -> Self:
        """The same with instants, counted from ``present``, and the key behind its scope."""
        return replace(
            self,
            opened_at=present,
            deadline_at=_instant(self.deadline_at, present),
            due_at=_instant(self.due_at, present),
            notice_at=_instant(self.notice_at, present),
            key=sizes.scoped(scope, self.key) if self.key else "",
        )

    @property
    def takes_events(self) -> bool:
        """Whether events of the inbox answer the wait."""
        return WaitKind(self.kind).takes_events

    def wake_at(self, limit: datetime | None) -> datetime | None:
        """When the execution wakes without an answer: the wait's deadline or the workflow's."""
        return earlier(self.deadline_at, limit)


def _instant(moment: Moment, present: datetime) -> datetime | None:
    return present + moment.shift if isinstance(moment, clock.Now) else moment


def earlier(one: Any, other: datetime | None) -> datetime | None:
    """The earlier of two instants, either of which may be missing."""
    return min((at for at in (one, other) if at is not None), default=None)


_WAITS = Rowset(
    id="uuid",
    execution_id="uuid",
    root_id="uuid",
    path="text",
    visit="integer",
    kind="text",
    name="text",
    ordinal="integer",
    names="jsonb",
    key="text",
    opened_at="timestamptz",
    deadline_at="timestamptz",
    due_at="timestamptz",
    notice_at="timestamptz",
    notice="text",
    question="text",
    assignees="jsonb",
    exclude="jsonb",
    people="jsonb",
    child_id="uuid",
)

_INSERT = """
WITH v AS ({rows})
INSERT INTO durable_wait ({columns}, status, told, vote_count, by_name, comment)
SELECT {columns}, 'open', {true}, 0, '', '' FROM v
"""


def open_waits(openings: Sequence[Opening]) -> None:
    """Insert waits, and give their correlation keys to their roots.

    The caller has locked the rows, their roots first.
    """
    conn = connection()
    rows, params = _WAITS.select(conn, openings)
    true = "true" if conn.vendor == "postgresql" else "1"
    with conn.cursor() as cursor:
        cursor.execute(_INSERT.format(rows=rows, columns=_WAITS.names, true=true), params)
    CorrelationKey.objects.give((one.root_id, one.key) for one in openings if one.key)


@dataclass(frozen=True)
class Park:
    """A claim to release in a new wait, and the record of the attempt that waits."""

    claim: Claim
    opening: Opening
    attempt: Attempt

    @property
    def execution_id(self) -> UUID:
        """The execution to park."""
        return self.claim.execution_id

    @property
    def size(self) -> int:
        """The approximate number of characters written."""
        texts = (self.attempt.input, self.attempt.logs, self.opening.question)
        return sum(len(text) for text in texts if text)


class Shared(NamedTuple):
    """The result of a park in a commit shared with others; not parked means: park it alone."""

    parked: bool
    in_doubt: bool = False


_LOCKED = Statement(
    lambda ids: (
        lock(Execution.objects.filter(Among("id", ids)), skip_locked=True)
        .annotate(present=clock.now())
        .order_by("pk")
        .values_list(
            *("pk", "scope", "present", "status", "fence", "path", "visit", "attempt"),
            *("pause_requested", "cancel_requested_at"),
        )
    )
)
_INBOXES = Statement(
    lambda roots, names: (
        Event.objects.filter(
            Among("execution_id", roots),
            Among("name", names),
            status__in=(EventStatus.PENDING, EventStatus.KEPT),
        )
        .order_by()
        .values_list("execution_id", "name")
        .distinct()
    )
)
_PARKED = Statement(
    lambda ids, until: Execution.objects.filter(Among("id", ids)).parked(
        ByKey("id", until, Wait._meta.get_field("deadline_at")), rolls=False, journaled=True
    )
)


@in_transaction
def write(batch: Sequence[Park]) -> set[UUID]:
    """Park the executions of ``batch`` (one park each) that need nothing else; return their ids.

    Left out are those that lost their fence, that are to pause, to cancel or to roll back, that
    have a root or a row locked by another transaction, or an event in the inbox that their wait
    may take. The inbox is read under the root's lock, which every delivery takes: an event sent
    earlier is found here, a later one finds the wait.
    """
    parks = _without_events(_held(batch))
    if not parks:
        return set()
    open_waits([park.opening for park in parks])
    write_attempts([park.attempt for park in parks])
    until = {one.execution_id: one.opening.wake_at(one.claim.limit_at) for one in parks}
    if _PARKED(ids=list(until), until=until) != len(parks):  # the rows are locked: this can't be
        raise RuntimeError(f"could not park {len(parks)} locked executions")
    reach("wait.before_commit")
    return set(until)


def _held(batch: Sequence[Park]) -> list[Park]:
    """Lock rows and roots; return the parks whose row is as the claim has it, waits as opened."""
    ids = {pk for park in batch for pk in (park.claim.root_id, park.claim.execution_id)}
    locked = {pk: row for pk, *row in _LOCKED(ids=list(ids))}
    held = []
    for park in batch:
        claim, own = park.claim, locked.get(park.execution_id)
        root = locked.get(claim.root_id)
        if own is None or root is None:
            continue
        _, present, *stands, pause, cancel = own
        place = [Status.RUNNING, claim.fence, claim.at.path, claim.at.visit, claim.at.attempt]
        if stands == place and not pause and cancel is None:
            held.append(replace(park, opening=park.opening.at(clock.parse(present), root[0])))
    return held


def _without_events(parks: list[Park]) -> list[Park]:
    """The parks whose inbox holds no event with a name that the wait asks for."""
    openings = [park.opening for park in parks if park.opening.takes_events]
    if not openings:
        return parks
    names = {name for one in openings for name in one.names}
    found = set(_INBOXES(roots=[one.root_id for one in openings], names=list(names)))
    return [
        park
        for park in parks
        if not park.opening.takes_events
        or found.isdisjoint((park.opening.root_id, name) for name in park.opening.names)
    ]
