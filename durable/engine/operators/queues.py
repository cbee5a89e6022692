"""Operators' actions on a queue, all audited: pause, resume, limit; and the state of queues."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q

from durable import conf
from durable.errors import DurableError
from durable.models import Execution, Queue
from durable.storage import audit, notify, sizes
from durable.storage.transaction import in_callers_transaction, insert, lock


@dataclass(frozen=True)
class QueueState:
    """The state of a queue: its depth, what runs, and the settings of operators."""

    name: str
    paused: bool
    limit: int | None  # executions that may run at once, over all workers
    concurrency: int | None  # per worker process, as configured; None: only by --queues
    depth: int  # executions that are due
    running: int
    due_since: datetime | None  # the due time of the oldest one


def states() -> list[QueueState]:
    """The state of every queue that is configured, set by an operator, or in use, by name."""
    rows = Execution.objects.filter(Q(ready_at__isnull=False) | Q(worker__isnull=False)).order_by()
    counts = {
        row["queue"]: row
        for row in rows.values("queue").annotate(
            depth=Count("pk", filter=Q(ready_at__isnull=False)),
            running=Count("pk", filter=Q(worker__isnull=False)),
            due_since=Min("ready_at"),
        )
    }
    configured, known = conf.queues(), {row.name: row for row in Queue.objects.all()}
    found = []
    for name in sorted({*counts, *configured, *known}):
        row = known.get(name, Queue(name=name))
        count: Any = counts.get(name, {"depth": 0, "running": 0, "due_since": None})
        count = {key: count[key] for key in ("depth", "running", "due_since")}
        state = QueueState(name, row.paused, row.concurrency, configured.get(name), **count)
        found.append(state)
    return found


@in_callers_transaction
def pause_queue(name: str, *, by: Any) -> Queue:
    """Pause a queue: workers claim nothing more from it; running steps go on."""
    return _change("pause_queue", name, by, paused=True)


@in_callers_transaction
def resume_queue(name: str, *, by: Any) -> Queue:
    """Resume a queue: workers claim from it again."""
    return _change("resume_queue", name, by, paused=False)


@in_callers_transaction
def limit_queue(name: str, concurrency: int | None, *, by: Any) -> Queue:
    """Limit how many executions of a queue run at once, over all workers; ``None``: no limit."""
    whole = isinstance(concurrency, int) and not isinstance(concurrency, bool)
    if concurrency is not None and not (whole and 1 <= concurrency <= sizes.HIGHEST):
        raise DurableError(
            f"the limit of a queue is a whole number from 1 on, or none, not {concurrency!r}"
        )
    return _change("limit_queue", name, by, concurrency=concurrency)


def _change(action: str, name: str, by: Any, **wanted: Any) -> Queue:
    known = Queue.objects.filter(pk=sizes.text("the name of a queue", name, 100))
    if not known.exists():
        insert(Queue(name=name), known.first)
    row: Queue = lock(known).get()
    before = {column: getattr(row, column) for column in wanted}
    if before != wanted:
        Queue.objects.filter(pk=name).update(**wanted)
        audit.record(action, by=by, target=name, before=before, after=wanted)
        notify.hint()
        row.refresh_from_db()
    return row
