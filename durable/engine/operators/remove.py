"""Delete rows in bounded transactions, after the rows that refer to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import CASCADE, Case, F, QuerySet, Value, When

from durable.conf import database
from durable.models import Execution, Role
from durable.states import FINAL
from durable.storage.rowset import IN_ONE_STATEMENT
from durable.storage.transaction import in_transaction, lock

AT_ONCE = 1000  # rows changed or removed in one transaction


class StillNeeded(Exception):
    """Something below a marked execution is unfinished, or locked by another transaction."""


def mark(executions: Sequence[UUID]) -> None:
    """Hide executions from all doors before their removal, and free their idempotency keys."""
    Execution.objects.filter(pk__in=executions).update(
        role=Role.REMOVED, idempotency_key=None, cancelled_with_parent=False
    )


def remove_trees(executions: Sequence[UUID]) -> None:
    """Remove marked executions with all below them; ``StillNeeded`` if something is unfinished.

    Depth first, a page at a time: memory does not grow with the tree.
    """
    pages = [executions]
    while pages:
        while free := _let_go(pages[-1]):
            pass
        below = _mark_below(pages[-1])
        if free is None or below is None:
            raise StillNeeded
        if below:
            pages.append(below)
        else:
            remove_all(Execution.objects.filter(pk__in=pages.pop()))


@in_transaction
def _let_go(parents: Sequence[UUID]) -> int | None:
    """Turn children that are not awaited into roots; return how many. ``None``: all are locked."""
    outliving = Execution.objects.filter(parent__in=parents, awaited=False).order_by("pk")
    found = list(outliving.values_list("pk", flat=True)[:IN_ONE_STATEMENT])
    if not found:
        return 0
    rows = lock(Execution.objects.filter(pk__in=found), skip_locked=True)
    free = list(rows.values_list("pk", flat=True))
    if not free:
        return None
    return Execution.objects.filter(pk__in=free).update(
        role=Case(When(role=Role.CHILD, then=Value(Role.ROOT)), default=F("role")),
        former_parent=F("parent_id"),
        parent=None,
        cancelled_with_parent=False,
    )


@in_transaction
def _mark_below(parents: Sequence[UUID]) -> list[UUID] | None:
    """A page of the rows directly below, children marked; ``None`` if any of them is unfinished."""
    below = Execution.objects.filter(parent__in=parents).order_by("pk")
    going = list(below.values_list("pk", "role", "status")[:IN_ONE_STATEMENT])
    if any(status not in FINAL for _, _, status in going):
        return None
    if children := [pk for pk, role, _ in going if role == Role.CHILD]:
        mark(children)
    return [pk for pk, _, _ in going]


def remove_all(rows: QuerySet[Any]) -> int:
    """Delete all of ``rows``, in several transactions; return how many were deleted."""
    removed = 0
    while True:
        done, deleted = _remove_portion(rows)
        removed += deleted
        if done < AT_ONCE:
            return removed


@in_transaction
def _remove_portion(rows: QuerySet[Any]) -> tuple[int, int]:
    return remove(rows, AT_ONCE)


def remove(rows: QuerySet[Any], at_most: int) -> tuple[int, int]:
    """Delete rows by the rules of ``on_delete``, without reading them: data may be large.

    Returns how many rows of all tables were deleted or changed, at most ``at_most``, and how many
    of ``rows`` themselves. Rows that refer to them come first.
    """
    done = 0
    for field in rows.model._meta.get_fields(include_hidden=True):
        name = field.field.name if field.auto_created and field.one_to_many else ""
        if not name or (field.related_model is Execution and name == "parent"):
            continue  # not a reference; or children, which are removed before
        related = field.related_model._base_manager.using(database())
        others = related.filter(**{f"{name}__in": rows.order_by().values("pk")})
        if field.on_delete is CASCADE:
            done += remove(others, at_most - done)[0]
        else:
            done += _some(others, at_most - done).update(**{name: None})
        if done == at_most:
            return done, 0
    deleted = _some(rows, at_most - done)._raw_delete(database())
    return done + deleted, deleted


def _some(rows: QuerySet[Any], at_most: int) -> Any:
    """At most ``at_most`` of the rows, as a queryset that can be updated or deleted."""
    return rows.model._base_manager.using(database()).filter(
        pk__in=rows.order_by().values("pk")[:at_most]
    )
