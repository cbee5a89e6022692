"""The worker processes as the engine sees them: their leases, their deaths, what they can run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, Q

from durable import clock
from durable.engine.row.failures import no_worker
from durable.models import Execution, Worker
from durable.models.execution import HELD, ExecutionQuerySet
from durable.models.fields import uuid7
from durable.models.given import Among
from durable.states import Status
from durable.storage import notify
from durable.storage.share import each
from durable.storage.statement import Statement
from durable.storage.transaction import in_transaction, lock

BLOCKED_AT_ONCE = 500
STRAYS_AT_ONCE = 100

Held = Set[tuple[UUID, int]]  # executions, each with the fence of its claim


@in_transaction
def register(
    name: str, queues: Sequence[str], kinds: Iterable[str], lease: timedelta, *, listening: bool
) -> UUID:
    """Make a worker known; what was blocked for want of it, or of its code, is due again."""
    kinds = list(kinds)
    worker = sign_on(name, queues, kinds, lease, listening=listening)
    unblock(kinds)
    return worker


@in_transaction
def sign_on(
    name: str, queues: Sequence[str], kinds: Iterable[str], lease: timedelta, *, listening: bool
) -> UUID:
    """A row for a worker, with a lease: what it holds is due again when that has run out."""
    worker = Worker.objects.create(
        id=uuid7(),
        name=name,
        queues=list(queues),
        kinds=sorted(kinds),
        listening=listening,
        started_at=clock.now(),
        heartbeat_at=clock.now(),
        expires_at=clock.now() + lease,
    )
    return worker.pk


def unblock(kinds: Iterable[str], *, only_by: str | None = None) -> int:
    """Give blocked executions of these workflows another try.

    ``only_by`` is for those who come back for what somebody has locked at this moment.
    """
    rows = Execution.objects.filter(status=Status.BLOCKED, kind__in=list(kinds))
    if only_by is not None:
        rows = _unlocked(rows.filter(blocked_by=only_by))
    return rows.due(rolls=False)


def _unlocked(rows: ExecutionQuerySet) -> ExecutionQuerySet:
    """A portion of the rows that nobody else has locked, locked for this transaction."""
    found = lock(rows, skip_locked=True).order_by().values_list("pk", flat=True)[:BLOCKED_AT_ONCE]
    return rows.filter(pk__in=list(found))


@in_transaction
def renew(worker: UUID, lease: timedelta, running: int, *, listening: bool) -> bool:
    """Extend the lease; False if the worker has been declared dead meanwhile."""
    return bool(Worker.objects.renew(worker, lease, running=running, listening=listening))


@in_transaction
def stop(worker: UUID) -> int:
    """A worker leaves: what it still holds is due again at once."""
    Worker.objects.filter(pk=worker).update(stopped_at=clock.now())
    return _free(worker, died=False)


@in_transaction
def forget(worker: UUID) -> int:
    """``stop``, and nothing is left of the worker that nobody has seen."""
    held = Execution.objects.filter(worker=worker)
    idle = Worker.objects.filter(~Exists(held), pk=worker)
    if idle.delete()[0]:
        return 0
    freed = stop(worker)
    idle.delete()
    return freed


@in_transaction
def bury(worker: UUID) -> int:
    """Declare a worker dead whose lease has run out; say how many executions were freed.

    Their fences are raised here, so that from now on nothing that it still writes is accepted.
    A row that is locked (perhaps by a transaction of the dead worker that its server still
    believes in) is not waited for: ``free_strays`` comes back for it.
    """
    row = lock(Worker.objects.expired().filter(pk=worker), skip_locked=True).first()
    if row is None:
        return 0
    Worker.objects.filter(pk=worker).update(stopped_at=clock.now())
    return _free(worker, died=True)


def strays() -> ExecutionQuerySet:
    """Executions held under the id of a stopped worker, or of one whose row is gone.

    Claimed in the moment in which the worker was declared dead, locked when it was; or somebody
    has removed its row by hand.
    """
    working = Worker.objects.filter(stopped_at__isnull=True)
    return Execution.objects.filter(worker__isnull=False).exclude(worker__in=working.values("pk"))


_STRAYS = Statement(
    lambda: strays().order_by("worker").values_list("worker", flat=True), limited=True
)


def free_strays(limit: int = STRAYS_AT_ONCE) -> int:
    """Free what stopped and unknown workers hold; how many executions that were.

    ``limit`` is how many strays are looked at. In the order of the index of held executions:
    without it PostgreSQL would read the whole table, when its statistics are old.
    """
    unknown = (worker for worker in dict.fromkeys(_STRAYS(limit=limit)) if worker is not None)
    return each(_free_all, unknown)


@in_transaction
def _free_all(worker: UUID) -> int:
    return _free(worker, died=True)


def bury_all(dead: Iterable[UUID]) -> int:
    """``bury`` each of these workers, in a transaction of its own."""
    return each(bury, dead)


def expired(limit: int | None = None) -> list[tuple[UUID, Any]]:
    """The workers whose lease has run out, each with its last heartbeat; the longest dead first."""
    rows = Worker.objects.expired().order_by("expires_at")
    return list(rows.values_list("pk", "heartbeat_at")[:limit])


def _free(worker: UUID, *, died: bool, only: Held | None = None) -> int:
    rows = lock(Execution.objects.filter(worker=worker, status__in=HELD), skip_locked=True)
    if only is not None:
        rows = rows.filter(pk__in=[pk for pk, _ in only], fence__in={fence for _, fence in only})
    found = rows.order_by().values_list("pk", "fence")
    ids = [pk for pk, fence in found if only is None or (pk, fence) in only]
    if not ids:
        return 0
    freed = Execution.objects.filter(pk__in=ids).freed(died=died)
    notify.hint()
    return freed


def held(worker: UUID) -> set[tuple[UUID, int]]:
    """The executions that a worker holds, each with its fence, as the database sees it."""
    return set(Execution.objects.filter(worker=worker).values_list("pk", "fence"))


@in_transaction
def free(worker: UUID, claims: Held) -> int:
    """Take executions from a worker that does not know that it has them."""
    return _free(worker, died=False, only=claims)


def asked_to_cancel(worker: UUID) -> set[UUID]:
    """Of the executions that a worker holds, those that somebody wants cancelled."""
    return set(
        Execution.objects.filter(worker=worker, cancel_requested_at__isnull=False).values_list(
            "pk", flat=True
        )
    )


_BLOCKED_FOR_LACK = Statement(
    lambda: Execution.objects.filter(
        status=Status.BLOCKED, blocked_by__in=("worker", "child")
    ).values_list("pk", flat=True),
    limited=True,
)

# in the order of the index of due rows: as EXISTS, PostgreSQL might read the whole table
_READY_FOR_OTHERS = Statement(
    lambda kinds: (
        Execution.objects.filter(~Q(Among("kind", kinds)), ready_at__isnull=False)
        .order_by("queue", "rank", "ready_at")
        .values_list("pk", flat=True)
    ),
    limited=True,
)


def block_orphans(own_kinds: Iterable[str], limit: int = BLOCKED_AT_ONCE) -> int:
    """Mark what is due while no live worker has its workflow and version; and unmark it.

    ``own_kinds`` are the caller's, who is alive whatever its row says. Mostly there is neither,
    which two probes tell.
    """
    mine = set(own_kinds)
    if _BLOCKED_FOR_LACK(limit=1):
        _unblock_found(mine)
    if not _READY_FOR_OTHERS(kinds=sorted(mine), limit=1):
        return 0
    return _block(mine, limit)


@in_transaction
def _unblock_found(own_kinds: Set[str]) -> None:
    unblock(Worker.objects.kinds() | own_kinds, only_by="worker")
    _unblock_parents(own_kinds)


@in_transaction
def _block(own_kinds: Set[str], limit: int) -> int:
    known = Worker.objects.kinds() | own_kinds
    due = lock(
        Execution.objects.filter(ready_at__isnull=False).exclude(kind__in=known), skip_locked=True
    )
    in_order = due.order_by("queue", "rank", "ready_at")
    ids = list(in_order.values_list("pk", flat=True)[:limit])
    if not ids:
        return 0
    error = no_worker("no live worker has this workflow and version")
    return Execution.objects.filter(pk__in=ids, ready_at__isnull=False).blocked("worker", error)


def _unblock_parents(own_kinds: Set[str]) -> int:
    """Give those another try that lacked the workflow of a child, which is here."""
    waiting = Execution.objects.filter(
        status=Status.BLOCKED, blocked_by="child", kind__in=list(own_kinds)
    )
    found = waiting.values_list("pk", "error")
    ids = [pk for pk, error in found if error and error["details"]["kind"] in own_kinds]
    if not ids:
        return 0
    return _unlocked(waiting.filter(pk__in=ids)).due(rolls=False)
