"""Remove finished executions whose time is over: whole trees, in small batches; the audit stays."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models import CASCADE, QuerySet

from durable import clock, conf
from durable.conf import database
from durable.engine.calendar.schedules import declared_options
from durable.models import Execution
from durable.states import FINAL, UNFINISHED
from durable.storage import sizes
from durable.storage.rowset import in_portions
from durable.storage.transaction import in_transaction, lock_out

logger = logging.getLogger("durable.retention")

TREES_AT_ONCE = 200  # roots that one transaction removes, with all below them


def prune(
    older_than: timedelta | None = None, statuses: Collection[str] = (), *, dry_run: bool = False
) -> int:
    """Remove the trees whose root ended longer ago than that; how many that was (or would be).

    Without ``older_than`` each workflow's ``Meta.retention`` says how long, else the setting
    ``RETENTION``; where neither does, everything is kept. A tree in which anything is unfinished
    stays, whole.
    """
    if older_than is not None:
        sizes.age("older_than", older_than)
    removed = 0
    for rows in _overdue(older_than, statuses):
        if dry_run:
            found = list(rows.values_list("pk", flat=True))
            removed += sum(len(_finished_trees(ids)[0]) for ids in in_portions(found))
            continue
        last: UUID | None = None
        while True:
            batch = rows if last is None else rows.filter(pk__gt=last)
            ids = list(batch.order_by("pk").values_list("pk", flat=True)[:TREES_AT_ONCE])
            if not ids:
                break
            removed += _remove(rows, ids)
            last = ids[-1]
    return removed


def _remove(rows: QuerySet[Execution], roots: Sequence[UUID]) -> int:
    """Remove these trees; one that can't be removed costs only itself."""
    try:
        return _remove_trees(rows, roots)
    except IntegrityError:
        if len(roots) == 1:
            logger.exception("the tree of execution %s can't be removed", roots[0])
            return 0
    half = len(roots) // 2
    return _remove(rows, roots[:half]) + _remove(rows, roots[half:])


def _overdue(
    older_than: timedelta | None, statuses: Collection[str]
) -> Iterable[QuerySet[Execution]]:
    """The finished roots whose retention is over, by retention."""
    roots = Execution.objects.filter(parent__isnull=True, status__in=statuses or sorted(FINAL))
    return by_retention(roots, "workflow", "finished_at", older_than)


def by_retention(
    rows: QuerySet[Any], workflow: str, since: str, older_than: timedelta | None
) -> Iterable[QuerySet[Any]]:
    """The rows whose time is over since the column ``since``; ``workflow`` says which is theirs."""
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
    """How long is kept what belongs to the workflows that say so, and everything else."""
    own = {
        options.name: options.retention
        for options in declared_options()
        if options.retention is not None
    }
    general = conf.duration("RETENTION") if conf.get("RETENTION") is not None else None
    return own, general


@in_transaction
def _remove_trees(rows: QuerySet[Execution], roots: Sequence[UUID]) -> int:
    """Remove the trees of these roots, but those that somebody has set going again meanwhile.

    ``rows`` are the roots whose time is over: asked again under the lock, for one that was retried
    may have ended a moment ago.
    """
    held = lock_out(rows.filter(pk__in=roots))
    levels = _finished_trees(list(held.values_list("pk", flat=True)), held=True)
    for level in reversed(levels):
        for ids in in_portions(level):
            remove(Execution.objects.filter(pk__in=ids))
    return len(levels[0])


def _finished_trees(roots: Sequence[UUID], *, held: bool = False) -> list[list[UUID]]:
    """The executions of those trees in which nothing is unfinished, by depth.

    Below a finished root there may be a child that nobody waited for. ``held`` locks all of them,
    parents first; a tree in which somebody else holds a row counts as unfinished.
    """
    root_of = {root: root for root in roots}
    levels, alive = [list(roots)], set()
    while levels[-1]:
        levels.append([])
        for ids in in_portions(levels[-2]):
            below = Execution.objects.filter(parent__in=ids)
            free = set(lock_out(below).values_list("pk", flat=True)) if held else None
            for pk, parent, status in below.values_list("pk", "parent", "status"):
                root_of[pk] = root_of[parent]  # type: ignore[index]
                levels[-1].append(pk)
                if status in UNFINISHED or (free is not None and pk not in free):
                    alive.add(root_of[pk])
    return [[pk for pk in level if root_of[pk] not in alive] for level in levels]


def remove(rows: QuerySet[Any]) -> None:
    """Delete rows as ``on_delete`` says, without reading them: data may be large."""
    for relation in rows.model._meta.related_objects:
        name = relation.field.name
        related: Any = relation.related_model
        if related is Execution and name == "parent":
            continue  # removed before, level by level
        others = related._base_manager.using(database()).filter(**{f"{name}__in": rows})
        if relation.on_delete is CASCADE:
            remove(others)
        else:
            others.update(**{name: None})
    rows._raw_delete(database())
