"""Check schedules, paused queues and executions, and the sources of webhooks."""

from __future__ import annotations

from collections.abc import Iterator

from durable import clock
from durable.engine.operators import queues
from durable.management.doctor.findings import (
    ERROR,
    INFO,
    TOO_LATE,
    WARNING,
    Finding,
    counted,
    samples_of,
)
from durable.models import Execution, IgnoredWebhooks, Schedule
from durable.showing import times
from durable.showing.masking import mask_text
from durable.states import Status


def schedules() -> Iterator[Finding]:
    """Report failing, late, ended and disabled schedules."""
    for row in Schedule.objects.filter(enabled=True, failures__gt=0).order_by("name"):
        yield Finding(
            "schedule-failing",
            ERROR,
            f"the schedule {row.name!r} failed {counted(row.failures, 'time')} in a row: "
            f"{mask_text(row.last_error) or 'no reason is on record'}",
            f"repair {row.workflow}, then durable_schedules trigger {row.name}; or disable it",
            count=row.failures,
            samples=[row.name],
        )
    late = Schedule.objects.filter(enabled=True, next_run_at__lte=clock.now() + -TOO_LATE)
    if count := late.count():
        yield Finding(
            "schedules-overdue",
            ERROR,
            f"{counted(count, 'schedule')} should have fired by now",
            "start a worker that has their workflows (or call durable_tick each minute)",
            count=count,
            samples=samples_of(late, "name"),
        )
    ended = Schedule.objects.filter(enabled=True, failures=0, next_run_at__isnull=True)
    if count := ended.count():
        yield Finding(
            "schedules-ended",
            WARNING,
            f"{counted(count, 'schedule')} will never fire again",
            "change the cron expression, or remove it",
            count=count,
            samples=samples_of(ended, "name"),
        )
    disabled = Schedule.objects.filter(enabled=False)
    if count := disabled.count():
        yield Finding(
            "schedules-disabled",
            INFO,
            f"{counted(count, 'schedule is', 'schedules are')} disabled",
            "durable_schedules enable <name>",
            count=count,
            samples=samples_of(disabled, "name"),
        )


def pauses() -> Iterator[Finding]:
    """Report paused queues and executions: an operator may have forgotten them."""
    for state in queues.states():
        if state.paused:
            yield Finding(
                "queue-paused",
                WARNING if state.depth else INFO,
                f"the queue {state.name!r} is paused; {counted(state.depth, 'execution')} due",
                f"durable_queues resume {state.name}",
                count=state.depth,
                samples=[state.name],
            )
    paused = Execution.objects.filter(status=Status.PAUSED, parent__isnull=True)
    if count := paused.count():
        yield Finding(
            "executions-paused",
            INFO,
            f"{counted(count, 'execution is', 'executions are')} paused",
            "durable_resume <id>",
            count=count,
            samples=samples_of(paused),
        )


def webhooks() -> Iterator[Finding]:
    """Report webhooks that fit no template of their source: unwanted, or a template is wrong."""
    for row in IgnoredWebhooks.objects.order_by("source"):
        yield Finding(
            "webhooks-ignored",
            INFO,
            f"the source {row.source!r} has sent {counted(row.count, 'webhook')} that fit no "
            f"template; the last one at {times.absolute(row.last_at)}: {row.last_reason}",
            "nothing, if they are of no use here; else mend event, key or id of the source, "
            'or set "otherwise": "keep"',
            count=row.count,
            samples=[row.source],
        )
