"""Find, create, change and switch schedules, declared in classes or made at run time.

``deployed`` registers the declared ones, ``fire`` starts the executions of all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from durable import clock, codec
from durable.authoring.calendar.cron import Cron, slots_after, zone_of
from durable.authoring.parse import registry
from durable.conf import database
from durable.engine.start.start import startable
from durable.errors import DurableError, ScheduleNotFound
from durable.models import Schedule
from durable.models.fields import Stored
from durable.storage import audit, notify, sizes
from durable.storage.transaction import in_callers_transaction, insert, lock

logger = logging.getLogger("durable.schedules")

#: the columns of a schedule that a ``Cron`` sets
OPTIONS = ("cron", "timezone", "catch_up", "overlap", "jitter")


def next_slot(expression: str, zone: str, after: datetime) -> datetime | None:
    """The first slot later than ``after``; ``None`` if there is none within the calendar."""
    return next(slots_after(expression, zone_of(zone), after), None)


def declared_options() -> list[Any]:
    """The options of the highest version of each workflow."""
    latest = {cls.definition.name: cls.definition.options for cls in registry.all()}
    return list(latest.values())


def known_workflows() -> list[str]:
    """The workflows that this process can start."""
    return [options.name for options in declared_options()]


def columns_of(cron: Cron) -> dict[str, Any]:
    """The columns that a ``Cron`` sets."""
    return {
        "cron": sizes.text("a cron expression", cron.expression, 200),
        "timezone": cron.timezone or settings.TIME_ZONE,
        "catch_up": cron.catch_up,
        "overlap": cron.overlap,
        "jitter": cron.jitter,
    }


def first_slot(columns: dict[str, Any], present: datetime) -> datetime | None:
    """The first slot of these columns after the present."""
    return next_slot(columns["cron"], columns["timezone"], present)


def new_row(
    name: str, workflow: str, columns: dict[str, Any], data: str, present: datetime, declared: bool
) -> Schedule:
    """An unsaved schedule that begins with the next slot."""
    return Schedule(
        name=sizes.text("the name of a schedule", name, 200),
        workflow=workflow,
        input=Stored(data),
        declared=declared,
        next_run_at=first_slot(columns, present),
        created_at=clock.now(),
        **columns,
    )


def differences(row: Schedule, workflow: str, wanted: dict[str, Any], data: str) -> dict[str, Any]:
    """The columns to change in the row, with their new values."""
    changes = {name: wanted[name] for name in OPTIONS if getattr(row, name) != wanted[name]}
    if row.workflow != workflow:
        changes["workflow"] = workflow
    if codec.dumps(row.input) != data:
        changes["input"] = Stored(data)
    return changes


# -- made at run time --------------------------------------------------------------------------


@in_callers_transaction
def schedule(
    workflow: Any,
    cron: Cron,
    *,
    by: Any,
    tags: Mapping[str, Any] | None = None,
    scope: str = "",
) -> Schedule:
    """Create or change the schedule ``cron.name``; a changed time begins with the next slot.

    ``tags`` and ``scope`` are set when the schedule is created, and never changed.
    """
    definition = startable(workflow)
    name = sizes.text("the name of a schedule", cron.name, 200)
    wanted = columns_of(cron)
    data = codec.dump_data(cron.input, path="input")
    present = clock.read(database())
    row = _locked_or_none(name)
    if row is None:
        own = {"tags": sizes.tags(tags or {}), "scope": scope}
        new = new_row(name, definition.name, {**wanted, **own}, data, present, declared=False)
        row = insert(new, lambda: _locked_or_none(name))
        if row is None:
            return _note("schedule", new, None, by)
    if row.declared:
        raise DurableError(
            f"the schedule {name!r} is declared by {row.workflow}: change it in the Meta of the "
            "class, or take another name"
        )
    before = _shown(row)
    changes = differences(row, definition.name, wanted, data)
    if {"cron", "timezone"} & changes.keys():
        changes["next_run_at"] = first_slot(wanted, present)
    if changes:
        Schedule.objects.filter(pk=row.pk, declared=False).update(**changes)
    return _note("schedule", row, before, by)


@in_callers_transaction
def unschedule(name: str, *, by: Any) -> None:
    """Remove a schedule made at run time, with its firings."""
    row = find(name, lock(Schedule.objects.all()))
    if row.declared:
        raise DurableError(
            f"the schedule {name!r} is declared by {row.workflow} and would come back: remove it "
            f"from the Meta of the class, or switch it off with disable_schedule({name!r})"
        )
    audit.record("unschedule", by=by, target=row.name, before=_shown(row))
    row.delete()


@in_callers_transaction
def switch(name: str, *, on: bool, by: Any) -> Schedule:
    """Enable a schedule, beginning with the next slot, or disable it.

    Disabling marks queued slots as missed, so that enabling it later does not start old slots.
    """
    row = find(name, lock(Schedule.objects.all()))
    before = _shown(row)
    changes: dict[str, Any] = {"enabled": on}
    if on and (not row.enabled or row.failures):
        changes["next_run_at"] = next_slot(row.cron, row.timezone, clock.read(database()))
    if not on or not row.enabled:
        row.firings.queued().miss()
    Schedule.objects.filter(pk=row.pk).update(**changes)
    return _note("enable_schedule" if on else "disable_schedule", row, before, by)


def find(name: str, rows: Any = None) -> Schedule:
    """The schedule with this name, or ``ScheduleNotFound``."""
    rows = Schedule.objects.all() if rows is None else rows
    found: Schedule | None = rows.filter(name=name).first() if sizes.is_text(name, 200) else None
    if found is None:
        raise ScheduleNotFound(
            f"there is no schedule {str(name)[:100]!r}; durable.schedules() has them all"
        )
    return found


def _locked_or_none(name: str) -> Schedule | None:
    found: Schedule | None = lock(Schedule.objects.filter(name=name)).first()
    return found


def _shown(row: Schedule) -> dict[str, Any]:
    jitter: timedelta | None = row.jitter
    return {
        "workflow": row.workflow,
        "enabled": row.enabled,
        **{name: getattr(row, name) for name in OPTIONS if name != "jitter"},
        "jitter": jitter,
        "input": row.input,
    }


def _note(action: str, row: Schedule, before: Any, by: Any) -> Schedule:
    """Audit the change and return the row as it is now."""
    row.refresh_from_db()
    audit.record(action, by=by, target=row.name, before=before, after=_shown(row))
    notify.hint()
    return row
