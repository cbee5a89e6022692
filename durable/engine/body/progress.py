"""Write the progress of running steps, without waiting for locks, and only while claimed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from durable.models import Execution
from durable.storage.transaction import connection, in_transaction, is_strict, lock


class StepProgress(NamedTuple):
    """The progress that a step reported, with its claim."""

    root_id: UUID
    fence: int
    progress: Any
    in_transaction: bool  # the body has a transaction open


@in_transaction
def show(pending: Mapping[UUID, StepProgress]) -> set[UUID]:
    """Write all progress that needs no waiting for a lock; return the executions that are done.

    A superseded claim is done too, but unwritten. Above READ COMMITTED, a change to the row would
    make an atomic body's own transaction fail: its progress is written with its checkpoint only.
    """
    strict = _is_strict()
    done = set()
    for pk, said in pending.items():
        if strict and said.in_transaction:
            done.add(pk)
            continue
        row = Execution.objects.held_by(pk, said.fence)
        if not row.exists():
            done.add(pk)
            continue
        ids = {said.root_id, pk}
        locked = lock(Execution.objects.filter(pk__in=ids), skip_locked=True)
        if set(locked.order_by().values_list("pk", flat=True)) == ids and row.exists():
            Execution.objects.filter(pk=said.root_id).update(progress=said.progress)
            done.add(pk)
    return done


def _is_strict() -> bool:
    """Whether transactions run above READ COMMITTED, by ``DATABASES`` or the server's default."""
    conn = connection()
    if conn.vendor != "postgresql" or is_strict():
        return is_strict()
    with conn.cursor() as cursor:
        cursor.execute("SHOW default_transaction_isolation")
        (level,) = cursor.fetchone()
    return bool(level != "read committed")
