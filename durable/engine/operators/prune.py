"""Remove finished executions after their retention, each with its branches, items and children.

Awaited children (``call_workflow``) go with their parent. A child that is not awaited has a
retention of its own; it becomes a root when its parent is removed first. Executions are marked
before removal: no door finds them then, and the next pass finishes an interrupted removal.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Q, QuerySet

from durable import clock, conf
from durable.engine.calendar.schedules import declared_options
from durable.engine.operators.remove import StillNeeded, mark, remove_trees
from durable.models import Execution, Role
from durable.states import FINAL
from durable.storage import sizes
from durable.storage.rowset import in_portions
from durable.storage.transaction import in_transaction, lock_out

logger = logging.getLogger("durable.retention")

TREES_AT_ONCE = 200  # executions marked in one transaction, each with its tree


def prune(
    older_than: timedelta | None = None, statuses: Collection[str] = (), *, dry_run: bool = False
) -> int:
    """Remove executions finished longer ago than ``older_than``; return how many.

    Without ``older_than``, each workflow's ``Meta.retention`` applies, else the setting
    ``RETENTION``; without either, everything is kept. An execution with anything unfinished below
    stays whole. Interrupted removals are finished too. ``dry_run`` only counts.
    """
    if older_than is not None:
        sizes.age("older_than", older_than)
    marked = Execution.objects.removed().filter(awaited=False)
    removed = 0
    for rows in (marked, *_overdue(older_than, statuses)):
        for ids in _pages(rows):
            if dry_run:
                removed += len(ids) if rows is marked else len(_whole(ids))
            else:
                removed += _remove(ids if rows is marked else _mark(rows, ids))
    return removed


def _pages(rows: QuerySet[Execution]) -> Iterator[list[UUID]]:
    """The ids of ``rows``, a page at a time; rows removed meanwhile do not shift the pages."""
    page = rows.order_by("pk")
    while ids := list(page.values_list("pk", flat=True)[:TREES_AT_ONCE]):
        yield ids
        page = rows.filter(pk__gt=ids[-1]).order_by("pk")


def _overdue(
    older_than: timedelta | None, statuses: Collection[str]
) -> Iterable[QuerySet[Execution]]:
    """One queryset for each retention: the finished executions older than it."""
    own_time = Q(role=Role.ROOT) | Q(role=Role.CHILD, awaited=False)
    rows = Execution.objects.filter(own_time, status__in=statuses or sorted(FINAL))
    return by_retention(rows, "workflow", "finished_at", older_than)


def by_retention(
    rows: QuerySet[Any], workflow: str, since: str, older_than: timedelta | None
) -> Iterable[QuerySet[Any]]:
    """One queryset for each retention: the rows with a ``since`` before it.

    ``workflow`` and ``since`` are names of columns.
    """
    if older_than is not None:
        yield rows.filter(**{f"{since}__lte": clock.now() + -older_than})
        return
    own, general = _retentions()
    for name, age in own.items():
        yield rows.filter(**{workflow: name, f"{since}__lte": clock.now() + -age})
    if general is not None:
        others = rows.exclude(**{f"{workflow}__in": list(own)})
        yield others.filter(**{f"{since}__lte": clock.now() + -general})


def _retentions() -> tuple[dict[str, timedelta], timedelta | None]:
    """The retentions of workflows that declare one, and the general retention."""
    own = {
        options.name: options.retention
        for options in declared_options()
        if options.retention is not None
    }
    general = conf.duration("RETENTION") if conf.get("RETENTION") is not None else None
    return own, general


@in_transaction
def _mark(rows: QuerySet[Execution], executions: Sequence[UUID]) -> list[UUID]:
    """Mark the removable among ``executions``; locked ones are left for the next pass.

    ``rows`` selects those past their retention. It is applied again under the lock, as one may have
    been retried and ended a moment ago.
    """
    held = list(lock_out(rows.filter(pk__in=executions)).values_list("pk", flat=True))
    going = _whole(held)
    mark(going)
    return going


def _whole(executions: Sequence[UUID]) -> list[UUID]:
    """The executions with nothing unfinished below them, at any depth."""
    top_of = {pk: pk for pk in executions}
    alive: set[UUID] = set()
    level: Sequence[UUID] = executions
    while level:
        below: list[UUID] = []
        for ids in in_portions(level):
            going_on = Execution.objects.trees(ids).unfinished().order_by()
            roots = going_on.values_list("root_id", flat=True).distinct()
            alive |= {top_of[root] for root in roots}
            family = Execution.objects.trees(ids).order_by().values("pk")
            children = Execution.objects.filter(role=Role.CHILD, awaited=True, parent__in=family)
            for pk, root in children.values_list("pk", "parent__root_id"):
                top_of[pk] = top_of[root]
                below.append(pk)
        level = below
    return [pk for pk in executions if pk not in alive]


def _remove(executions: Sequence[UUID]) -> int:
    """Remove marked executions; one that can't be removed keeps no other from being removed."""
    if not executions:
        return 0
    try:
        remove_trees(executions)
    except (IntegrityError, StillNeeded) as error:
        if len(executions) == 1:
            logger.warning(
                "execution %s can't be removed yet: %s",
                executions[0],
                error or "something below it goes on, or is held",
                exc_info=isinstance(error, IntegrityError),
                extra={"execution": str(executions[0])},
            )
            return 0
    else:
        return len(executions)
    half = len(executions) // 2
    return _remove(executions[:half]) + _remove(executions[half:])
