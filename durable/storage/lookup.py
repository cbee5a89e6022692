"""Find an execution by id, its root and its parts; protect executions from removal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from durable.errors import ExecutionNotFound, InvalidTransition
from durable.models import PARTS, Execution
from durable.states import Status
from durable.storage import ids
from durable.storage.transaction import connection

if TYPE_CHECKING:
    from durable.models.execution import ExecutionQuerySet


def get(execution_id: Any, *, rows: Any = None) -> Execution:
    """The execution with this id (a ``UUID`` or its text); ``ExecutionNotFound``."""
    pk = _uuid(execution_id)
    rows = Execution.objects.all() if rows is None else rows
    found: Execution | None = rows.there().filter(pk=pk).first() if pk is not None else None
    if found is None or (found.role in PARTS and not _is_there(found.root_id)):
        raise unknown(execution_id)
    return found


def _is_there(root_id: UUID) -> bool:
    return Execution.objects.there().filter(pk=root_id).exists()


def find(execution_id: Any) -> Execution:
    """The execution with this id, or with an id that begins with it; ``ExecutionNotFound``.

    Branches and items have no address: only their whole id finds them.
    """
    if (
        not isinstance(execution_id, str)
        or ids.id_range(execution_id) is None
        or _uuid(execution_id)
    ):
        return get(execution_id)
    try:
        return ids.find(Execution.objects.roots(), execution_id)
    except (ids.UnknownId, ids.AmbiguousId) as error:
        raise ExecutionNotFound(str(error)) from None


def unknown(execution_id: Any) -> ExecutionNotFound:
    """``ExecutionNotFound`` with the same message for missing and for invisible executions."""
    return ExecutionNotFound(f"there is no execution {str(execution_id)[:100]}")


def refuse_part(execution: Execution, verb: str) -> None:
    """``InvalidTransition`` for a branch or item: operators act on whole executions."""
    if execution.role in PARTS:
        raise InvalidTransition(
            f"execution {execution.pk} can't be {verb} by itself: it is a part "
            f"({execution.get_role_display()}) of {execution.root_id}, whose id means the whole"
        )


class Root(NamedTuple):
    """An addressable execution, as far as a sender needs to know it."""

    pk: UUID
    status: Status


def kept_root(execution_id: Any) -> Root:
    """The execution itself, or the root of a branch or item; ``ExecutionNotFound``.

    It is protected from removal in this transaction, as by ``kept``.
    """
    conn, pk = connection(), _uuid(execution_id)
    locked = " FOR KEY SHARE OF root" if conn.vendor == "postgresql" else ""
    if pk is not None:
        key = Execution._meta.pk
        with conn.cursor() as cursor:
            cursor.execute(_ROOT + locked, [key.get_db_prep_value(pk, conn)])
            for root, status in cursor.fetchall():
                return Root(key.to_python(root), Status(status))
    raise unknown(execution_id)


_ROOT = """
SELECT root.id, root.status
FROM durable_execution AS one JOIN durable_execution AS root ON root.id = one.root_id
WHERE one.id = %s AND one.role <> 'removed' AND root.role <> 'removed'
"""


def kept(executions: Sequence[UUID]) -> list[UUID]:
    """The executions that still exist, in order, protected from removal in this transaction.

    ``FOR KEY SHARE``, as PostgreSQL takes it for a foreign key: no lock of the engine waits for it.
    On SQLite the caller's transaction writes, and so excludes all others.
    """
    conn = connection()
    if conn.vendor != "postgresql" or not executions:
        return list(executions)
    with conn.cursor() as cursor:
        cursor.execute(_KEEP, [list(executions)])
        found = {row[0] for row in cursor.fetchall()}
    return [pk for pk in executions if pk in found]


_KEEP = "SELECT id FROM durable_execution WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"


def parts_of(execution: Execution) -> ExecutionQuerySet:
    """The branches and items of an execution."""
    return Execution.objects.filter(root_id=execution.pk, role__in=PARTS)


def whole_of(execution: Execution) -> QuerySet[Any, Any]:
    """The ids of an execution and of its branches and items.

    Found by the primary key and the index of parts, however many executions there are.
    """
    own = Execution.objects.filter(pk=execution.pk).order_by().values("pk")
    if execution.root_id != execution.pk:
        return own
    return own.union(parts_of(execution).order_by().values("pk"), all=True).order_by()


def _uuid(value: Any) -> UUID | None:
    if isinstance(value, UUID):
        return value
    if isinstance(value, Execution):
        return value.pk
    try:
        return UUID(str(value))
    except ValueError:
        return None
