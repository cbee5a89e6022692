"""Repair safe findings: do the due work of any worker, close leftovers of final executions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from durable.authoring.parse import registry
from durable.engine.duties.duty import Duty, duties_of
from durable.engine.ends import finish, tree_of
from durable.engine.parts import report
from durable.engine.row import reasons
from durable.models import Execution, StepRun, Wait, Worker
from durable.states import FINAL, StepStatus
from durable.storage.transaction import in_transaction, lock

ROUNDS = 1000  # beyond these it is a worker's work


def kinds() -> Iterable[str]:
    """The kinds served besides those of live workers: this code's, if no worker is alive."""
    return () if Worker.objects.live().exists() else registry.kinds()


def close(limit: int) -> int:
    """Close the open waits and parked attempts of final executions; stop their live children."""
    return _close_some(limit) + _stop_some(limit)


@in_transaction
def _close_some(limit: int) -> int:
    final = Execution.objects.filter(status__in=sorted(FINAL))
    waits = Wait.objects.open().filter(execution__in=final.values("pk"))
    ids: set[UUID] = set(waits.order_by().values_list("execution_id", flat=True)[:limit])
    parked = StepRun.objects.filter(status=StepStatus.WAITING, compensation=False)
    parked = parked.filter(execution__in=final.values("pk")).order_by()
    ids |= set(parked.values_list("execution_id", flat=True)[:limit])
    held = lock(final.filter(pk__in=ids), skip_locked=True).order_by("pk")
    found = list(held.values_list("pk", flat=True))
    if found:
        finish.close(found)
    return len(found)


@in_transaction
def _stop_some(limit: int) -> int:
    """Cancel children of final parents; a child in a step ends with the step's checkpoint."""
    alive = Execution.objects.unfinished().filter(
        awaited=True, parent__status__in=sorted(FINAL), cancel_requested_at__isnull=True
    )
    found = list(alive.select_related("parent").order_by("pk")[:limit])
    for execution in found:
        assert execution.parent is not None
        why = reasons.ended(execution.parent)
        tree_of.stop(Execution.objects.filter(pk=execution.pk), why)
    return len(found)


#: no duties of a worker: only a bug makes them necessary
CLOSE = Duty("close", close, at_once=500)
WAKE = Duty("wake", report.wake_idle, at_once=500)


def repair(wanted: Collection[str | None]) -> dict[str, int]:
    """Perform the duties of these names until nothing is left; how many rows each has handled."""
    chosen = [duty for duty in (*duties_of(kinds=kinds), CLOSE, WAKE) if duty.name in wanted]
    done = dict.fromkeys([duty.name for duty in chosen], 0)
    for _ in range(ROUNDS):
        before = sum(done.values())
        for duty in chosen:
            done[duty.name] += duty.do(duty.at_once)
        if sum(done.values()) == before:
            break
    return done
