"""Check that work goes on: live workers, no lost leases, no late duties, no leftovers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min

from durable import clock
from durable.conf import database
from durable.engine.duties import workers
from durable.engine.parts import report
from durable.management.doctor.findings import (
    ERROR,
    INFO,
    PATIENCE,
    TOO_LATE,
    WARNING,
    Finding,
    counted,
    samples_of,
)
from durable.models import Event, Execution, Queue, StepRun, Wait, Worker
from durable.showing import times
from durable.states import FINAL, Status, StepStatus, WaitKind


def ago() -> Any:
    """The instant before which a row is late, as an expression."""
    return clock.now() + -PATIENCE


def workers_alive() -> Iterator[Finding]:
    """Check that due executions have a live worker with their queue and code."""
    paused = Queue.objects.filter(paused=True).values("pk")
    ready = Execution.objects.filter(ready_at__isnull=False).exclude(queue__in=paused).order_by()
    due: Any = ready.values("queue").annotate(count=Count("pk"), since=Min("ready_at"))
    live = list(Worker.objects.live())
    present = clock.read(database())
    if not live:
        yield from _nobody(list(due), ready, present)
        return
    served = {queue for worker in live for queue in worker.queues}
    for row in due:
        if row["queue"] not in served:
            yield Finding(
                "queue-unserved",
                ERROR,
                f"{counted(row['count'], 'execution is', 'executions are')} due in the queue "
                f"{row['queue']!r}, which no live worker serves",
                f"start a worker with --queues {row['queue']}, or add it to DURABLE['QUEUES']",
                count=row["count"],
                samples=samples_of(ready.filter(queue=row["queue"])),
            )
    kinds = {kind for worker in live for kind in worker.kinds}
    orphans = ready.exclude(kind__in=kinds)
    if count := orphans.count():
        yield Finding(
            "code-missing",
            ERROR,
            f"{counted(count, 'execution is', 'executions are')} due whose workflow or version no "
            "live worker has",
            "start workers with code that has them; --fix marks them as blocked until then",
            count=count,
            samples=samples_of(orphans),
            repair="block",
        )


def _nobody(due: list[Any], ready: Any, present: datetime) -> Iterator[Finding]:
    if not due:
        yield Finding("no-worker", INFO, "no worker is alive (and nothing is due)")
        return
    count, since = sum(row["count"] for row in due), min(row["since"] for row in due)
    yield Finding(
        "no-worker",
        ERROR if present - since > TOO_LATE else WARNING,
        f"no worker is alive, and {counted(count, 'execution is', 'executions are')} due since "
        f"{times.absolute(since)}",
        "start manage.py durable_worker (or call durable_tick each minute)",
        count=count,
        samples=samples_of(ready),
    )


def held_by_the_dead() -> Iterator[Finding]:
    """Report executions held by workers whose lease ran out, that stopped, or are unknown."""
    for worker in Worker.objects.expired().order_by("expires_at"):
        held = Execution.objects.filter(worker=worker.pk)
        count = held.count()
        yield Finding(
            "worker-dead",
            ERROR if count else WARNING,
            f"the lease of worker {worker.name} ran out at {times.absolute(worker.expires_at)}; "
            f"it holds {counted(count, 'execution')}",
            "a live worker takes over by itself; --fix does it now",
            count=count,
            samples=samples_of(held),
            repair="bury",
        )
    strays = workers.strays()
    if count := strays.count():
        yield Finding(
            "held-by-nobody",
            ERROR,
            f"{counted(count, 'execution is', 'executions are')} held by workers that have "
            "stopped, or that nobody knows",
            "a live worker frees them; --fix does it now",
            count=count,
            samples=samples_of(strays),
            repair="free",
        )


def blocked() -> Iterator[Finding]:
    """Report blocked executions, by kind and reason."""
    rows = Execution.objects.filter(status=Status.BLOCKED).order_by()
    groups: Any = rows.values("kind", "blocked_by").annotate(count=Count("pk"))
    for group in groups.order_by("kind", "blocked_by"):
        same = rows.filter(kind=group["kind"], blocked_by=group["blocked_by"])
        error = (same.order_by("pk").values_list("error", flat=True).first()) or {}
        by_worker = group["blocked_by"] == "worker"
        yield Finding(
            "blocked",
            ERROR,
            f"{counted(group['count'], 'execution')} of {group['kind']} blocked: "
            f"{error.get('type', '')} {error.get('message', 'no reason is on record')}".strip(),
            "start a worker that has this workflow and version"
            if by_worker
            else "deploy code that fits, then durable_retry (or durable_cancel)",
            count=group["count"],
            samples=samples_of(same),
        )


@dataclass(frozen=True)
class Late:
    """Due rows that the duty ``duty`` should have handled."""

    duty: str
    code: str  # of the finding
    one: str  # one late row, in words
    many: str
    rows: Callable[[], Any]  # the query set of all due rows
    since: str  # the column with the time since which a row is due


LATE = (
    Late(
        "promote",
        "sleepers-overdue",
        "sleeper should have been woken",
        "sleepers should have been woken",
        lambda: Execution.objects.filter(wake_at__isnull=False),
        "wake_at",
    ),
    Late(
        "deliver",
        "undelivered",
        "event undelivered",
        "events undelivered",
        lambda: Event.objects.pending(),
        "created_at",
    ),
    Late(
        "answer",
        "undelivered",
        "answer undelivered",
        "answers undelivered",
        lambda: Wait.objects.filter(told=False),
        "resolved_at",
    ),
    Late(
        "report",
        "undelivered",
        "end of a part undelivered",
        "ends of parts undelivered",
        lambda: Execution.objects.unreported(),
        "finished_at",
    ),
)


def late() -> Iterator[Finding]:
    """Report sleepers, events, answers and ends of parts that no duty has handled in time."""
    for late in LATE:
        rows = late.rows().filter(**{f"{late.since}__lte": ago()})
        found = rows.order_by().aggregate(count=Count("pk"), since=Min(late.since))
        if found["count"]:
            yield Finding(
                late.code,
                WARNING,
                f"{counted(found['count'], late.one, late.many)} since "
                f"{times.absolute(found['since'])}",
                "a live worker does it; --fix does it now",
                count=found["count"],
                samples=samples_of(rows),
                repair=late.duty,
            )


def overdue() -> Iterator[Finding]:
    """Report waits past their deadline, and questions past their due time."""
    resting = (Status.PAUSED, Status.BLOCKED)  # their deadlines take effect once they go on
    waits = Wait.objects.open().filter(deadline_at__lte=ago())
    waits = waits.exclude(execution__status__in=resting).exclude(execution__status__in=FINAL)
    if count := waits.count():
        yield Finding(
            "waits-overdue",
            WARNING,
            f"{counted(count, 'open wait is', 'open waits are')} past the deadline",
            "a live worker ends them; --fix wakes their executions",
            count=count,
            samples=samples_of(waits, "execution_id"),
            repair="promote",
        )
    late_answers = Wait.objects.open().filter(kind=WaitKind.INPUT, due_at__lte=clock.now())
    if count := late_answers.count():
        yield Finding(
            "answers-overdue",
            INFO,
            f"{counted(count, 'question')} should have been answered by now",
            "durable_waits --overdue lists them",
            count=count,
            samples=samples_of(late_answers, "root_id"),
        )


def idle() -> Iterator[Finding]:
    """Report parked executions that wait for nothing."""
    rows = report.idle()
    if count := rows.count():
        yield Finding(
            "waiting-for-nothing",
            ERROR,
            f"{counted(count, 'execution waits', 'executions wait')} although everything below has "
            "ended and no wait is open",
            "--fix wakes them; please report it as a bug of durable",
            count=count,
            samples=samples_of(rows),
            repair="wake",
        )


def leftovers() -> Iterator[Finding]:
    """Report open waits, parked attempts and live children of final executions."""
    final = sorted(FINAL)
    waits = Wait.objects.open().filter(execution__status__in=final)
    parked = StepRun.objects.filter(
        status=StepStatus.WAITING, compensation=False, execution__status__in=final
    )
    for rows, what in ((waits, "open wait"), (parked, "parked attempt")):
        if count := rows.count():
            yield Finding(
                "finished-with-leftovers",
                ERROR,
                f"finished executions have {counted(count, what)}",
                "--fix closes them; please report it as a bug of durable",
                count=count,
                samples=samples_of(rows, "execution_id"),
                repair="close",
            )
    alive = Execution.objects.unfinished().filter(awaited=True, parent__status__in=final)
    if count := alive.count():
        yield Finding(
            "alive-below-finished",
            ERROR,
            f"{counted(count, 'execution is', 'executions are')} alive below a finished parent",
            "--fix cancels them; please report it as a bug of durable",
            count=count,
            samples=samples_of(alive),
            repair="close",
        )
