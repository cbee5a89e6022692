"""The worker rows: sign on, renew leases, bury the dead, free their executions, block orphans."""

from __future__ import annotations

import json
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
    """Sign a worker on, and retry executions blocked for lack of a worker or of code."""
    kinds = list(kinds)
    worker = sign_on(name, queues, kinds, lease, listening=listening)
    unblock(kinds)
    return worker


_SIGN_ON = Statement(
    lambda worker, name, queues, kinds, listening, lease: Worker(
        id=worker,
        name=name,
        queues=queues,
        kinds=kinds,
        listening=listening,
        started_at=clock.now(),
        heartbeat_at=clock.now(),
        expires_at=clock.now() + lease,
    ),
    fixed=("lease",),
)


@in_transaction
def sign_on(
    name: str, queues: Sequence[str], kinds: Iterable[str], lease: timedelta, *, listening: bool
) -> UUID:
    """Insert the row of a worker with a lease; when the lease expires, its executions are freed."""
    worker = uuid7()
    _SIGN_ON(
        worker=worker,
        name=name,
        queues=json.dumps([*queues]),
        kinds=json.dumps(sorted(kinds)),
        listening=listening,
        lease=lease,
    )
    return worker


def unblock(kinds: Iterable[str], *, only_by: str | None = None) -> int:
    """Retry the blocked executions of these workflow versions.

    ``only_by`` limits that to one ``blocked_by``, and leaves locked rows for the next pass.
    """
    rows = Execution.objects.filter(status=Status.BLOCKED, kind__in=list(kinds))
    if only_by is not None:
        rows = _unlocked(rows.filter(blocked_by=only_by))
    return rows.due(rolls=False)


def _unlocked(rows: ExecutionQuerySet) -> ExecutionQuerySet:
    """A portion of the rows that no other transaction has locked; locked for this one."""
    found = lock(rows, skip_locked=True).order_by().values_list("pk", flat=True)[:BLOCKED_AT_ONCE]
    return rows.filter(pk__in=list(found))


@in_transaction
def renew(worker: UUID, lease: timedelta, running: int, *, listening: bool) -> bool:
    """Extend the lease; False if the worker has been declared dead."""
    return bool(Worker.objects.renew(worker, lease, running=running, listening=listening))


@in_transaction
def sign_off(worker: UUID) -> int:
    """Mark a worker as stopped; its executions are due again at once. Returns how many."""
    Worker.objects.filter(pk=worker).update(stopped_at=clock.now())
    return _free(worker, died=False)


_FORGET = Statement(
    lambda worker: Worker.objects.filter(
        ~Exists(Execution.objects.filter(worker=worker)), pk=worker
    ).delete()
)


@in_transaction
def forget(worker: UUID) -> int:
    """``sign_off`` a worker and delete its row; for workers that no one has seen."""
    if _FORGET(worker=worker):
        return 0
    freed = sign_off(worker)
    _FORGET(worker=worker)
    return freed


@in_transaction
def bury(worker: UUID) -> int:
    """Declare a worker with an expired lease dead; return how many executions were freed.

    Raising their fences makes the database refuse all later writes of the worker. A locked row
    (perhaps locked by a transaction of the dead worker that its server still keeps open) is not
    waited for: ``free_strays`` frees it later.
    """
    row = lock(Worker.objects.expired().filter(pk=worker), skip_locked=True).first()
    if row is None:
        return 0
    Worker.objects.filter(pk=worker).update(stopped_at=clock.now())
    return _free(worker, died=True)


def strays() -> ExecutionQuerySet:
    """Executions held under the id of a stopped or deleted worker.

    They were claimed just as the worker was declared dead, or locked at that moment; or the
    worker's row was deleted by hand.
    """
    working = Worker.objects.filter(stopped_at__isnull=True)
    return Execution.objects.filter(worker__isnull=False).exclude(worker__in=working.values("pk"))


_STRAYS = Statement(
    lambda: strays().order_by("worker").values_list("worker", flat=True), limited=True
)


def free_strays(limit: int = STRAYS_AT_ONCE) -> int:
    """Free the executions held by stopped and unknown workers; return how many.

    ``limit`` is how many strays are looked at. They are read in the order of the index of held
    executions: otherwise PostgreSQL, with old statistics, would read the whole table.
    """
    unknown = (worker for worker in dict.fromkeys(_STRAYS(limit=limit)) if worker is not None)
    return each(_free_all, unknown)


@in_transaction
def _free_all(worker: UUID) -> int:
    return _free(worker, died=True)


def bury_all(dead: Iterable[UUID]) -> int:
    """``bury`` each of these workers, in its own transaction."""
    return each(bury, dead)


def expired(limit: int | None = None) -> list[tuple[UUID, Any]]:
    """The workers with an expired lease and their last heartbeats; the longest expired first."""
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
    """The executions that a worker holds, by the database, with their fences."""
    return set(Execution.objects.filter(worker=worker).values_list("pk", "fence"))


@in_transaction
def free(worker: UUID, claims: Held) -> int:
    """Free executions that a worker holds without knowing of them."""
    return _free(worker, died=False, only=claims)


def asked_to_cancel(worker: UUID) -> set[UUID]:
    """The executions held by a worker with a requested cancellation."""
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
    """Block due executions whose workflow version no live worker has; unblock those found since.

    ``own_kinds`` are the caller's, who counts as alive. Usually there is nothing to do, as two
    index probes tell. Returns how many were blocked or unblocked.
    """
    mine = set(own_kinds)
    unblocked = _unblock_found(mine) if _BLOCKED_FOR_LACK(limit=1) else 0
    if not _READY_FOR_OTHERS(kinds=sorted(mine), limit=1):
        return unblocked
    return unblocked + _block(mine, limit)


@in_transaction
def _unblock_found(own_kinds: Set[str]) -> int:
    found = unblock(Worker.objects.kinds() | own_kinds, only_by="worker")
    return found + _unblock_parents(own_kinds)


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
    """Retry executions blocked for lack of a child's workflow, if this process has it."""
    waiting = Execution.objects.filter(
        status=Status.BLOCKED, blocked_by="child", kind__in=list(own_kinds)
    )
    found = waiting.values_list("pk", "error")
    ids = [pk for pk, error in found if error and error["details"]["kind"] in own_kinds]
    if not ids:
        return 0
    return _unlocked(waiting.filter(pk__in=ids)).due(rolls=False)
