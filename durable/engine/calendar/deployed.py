"""Register the schedules that workflow classes declare: at ``migrate`` and at a worker's start."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import DatabaseError, connections
from django.db.models import Q

from durable import clock, codec
from durable.authoring.calendar.cron import Cron
from durable.conf import database
from durable.engine.calendar.schedules import (
    columns_of,
    declared_options,
    differences,
    first_slot,
    known_workflows,
    new_row,
    next_slot,
)
from durable.errors import DurableError
from durable.models import Firing, Schedule, Worker
from durable.models.given import Among
from durable.storage.statement import Statement
from durable.storage.transaction import connection, in_transaction, lock, one_at_a_time

logger = logging.getLogger("durable.schedules")


def register_declared() -> int:
    """Bring the schedule rows in line with ``Meta.schedules``; return how many rows changed.

    The highest version of a workflow counts; if only another live worker has it, this process
    changes nothing. New schedules begin with the next slot; schedules that an operator switched off
    stay off; schedules that a known workflow no longer declares are removed.

    One process registers at a time; but inside a caller's transaction no lock is taken, as all
    others would wait for its end. A worker signs on before it registers, and here the rows are
    read before the live workers: so the worker behind each row read is seen as well.
    """
    return _register(alone=not connection().in_atomic_block)


@in_transaction
def _register(*, alone: bool) -> int:
    if alone:
        one_at_a_time("durable.declare")
    concerned = _concerned()
    if _in_line(concerned):
        return 0
    superseded = _superseded()
    declared = _declared(superseded)
    known = set(known_workflows()) - superseded
    mine = (row for row in concerned if row.name in declared or row.workflow in known)
    rows = {row.name: row for row in mine}
    present = clock.read(database())
    changed = 0
    for name, (workflow, cron) in declared.items():
        row = rows.pop(name, None)
        if row is not None and not row.declared:
            logger.warning(
                "%s declares the schedule %r, but one of this name was made at run time: "
                "unschedule that, or rename this",
                workflow,
                name,
            )
            continue
        try:
            changed += _bring_in_line(row, workflow, cron, present)
        except DurableError as error:  # too large, or too long: the other schedules go on
            logger.error("the schedule %r of %s can't be registered: %s", name, workflow, error)
    gone = [row.pk for row in rows.values() if row.declared]
    if gone:
        _, removed = Schedule.objects.filter(pk__in=gone, declared=True).delete()
        changed += removed.get(Schedule._meta.label, 0)
    return changed


_CONCERNED = Statement(
    lambda names, known: lock(
        Schedule.objects.filter(
            Q(Among("name", names)) | Q(Among("workflow", known), declared=True)
        ).order_by("name")
    )
)


def _concerned() -> list[Schedule]:
    """The rows that this process may change, locked: by their workflow, or by their name."""
    names = [str(cron.name) for options in declared_options() for cron in options.schedules]
    found: list[Schedule] = _CONCERNED(names=names, known=known_workflows())
    return found


def _in_line(rows: Collection[Schedule]) -> bool:
    """Whether these rows are just what the classes declare: nothing is to be done, as usual."""
    mine = {row.name: row for row in rows}
    declared = [(options.name, one) for options in declared_options() for one in options.schedules]
    try:
        return len(mine) == len(declared) and all(
            (row := mine.get(str(cron.name))) is not None
            and row.declared
            and not row.failures
            and not differences(row, workflow, columns_of(cron), _input_of(cron))
            for workflow, cron in declared
        )
    except DurableError:  # too large, or too long
        return False


def _input_of(cron: Cron) -> str:
    return codec.dump_data(cron.input, path="input")


def _superseded() -> set[str]:
    """The workflows of which a live worker has a higher version than this process."""
    mine = {options.name: options.version for options in declared_options()}
    theirs = (kind.rpartition("@") for kind in Worker.objects.kinds())
    return {name for name, _, version in theirs if int(version) > mine.get(name, int(version))}


def _declared(superseded: Collection[str]) -> dict[str, tuple[str, Cron]]:
    """Each declared schedule by its name, with its workflow."""
    found: dict[str, tuple[str, Cron]] = {}
    for options in declared_options():
        for cron in () if options.name in superseded else options.schedules:
            name = str(cron.name)
            if name in found:
                logger.warning(
                    "the schedule %r is declared by %s and by %s: give one another name",
                    name,
                    found[name][0],
                    options.name,
                )
                continue
            found[name] = (options.name, cron)
    return found


def _bring_in_line(row: Schedule | None, workflow: str, cron: Cron, present: datetime) -> int:
    wanted = columns_of(cron)
    data = _input_of(cron)
    if row is None:
        new = new_row(str(cron.name), workflow, wanted, data, present, declared=True)
        return len(Schedule.objects.bulk_create([new], ignore_conflicts=True))
    changes = differences(row, workflow, wanted, data)
    first = first_slot(wanted, present)
    if row.failures and (
        row.next_run_at is None or (first is not None and first < row.next_run_at)
    ):
        changes["next_run_at"] = first  # this deploy may repair the schedule: end its back-off
    if not changes:
        return 0
    if {"cron", "timezone"} & changes.keys():
        changes["next_run_at"] = first
    return Schedule.objects.filter(pk=row.pk, declared=True).update(**changes)


@in_transaction
def restart(rows: Any) -> int:
    """Restart these schedules at the present, without missed slots. For tests."""
    present = clock.read(database())
    return sum(
        Schedule.objects.filter(pk=row.pk).update(
            next_run_at=next_slot(row.cron, row.timezone, present),
            created_at=present,
            last_run_at=None,
        )
        for row in rows
    )


def register_after_migrate(using: str) -> int:
    """Register the declared schedules after ``migrate``; return how many rows changed.

    Does nothing on another database, or after a migration to an earlier state: missing tables or
    columns must not make ``migrate`` fail.
    """
    if using != database():
        return 0
    tables = {Schedule._meta.db_table, Firing._meta.db_table}
    if not tables <= set(connections[using].introspection.table_names()):
        return 0
    try:
        return register_declared()
    except DatabaseError as error:
        logger.warning("schedules are registered when a worker starts, not now: %s", error)
        return 0


def give_way(loaded: Schedule, using: str) -> None:
    """Remove the declared schedule that ``loaded`` replaces; one that has fired stays."""
    rows = Schedule.objects.using(using).filter(name=loaded.name, declared=True)
    rows.filter(firings__isnull=True).exclude(pk=loaded.pk).delete()
