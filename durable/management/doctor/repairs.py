"""What is safe to repair: only what any worker would do, and closing what is closed already."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from durable.authoring import registry
from durable.engine.deliver import deliver_due
from durable.engine.duties import workers
from durable.engine.ends import finish, tree_of
from durable.engine.parts.report import report_due
from durable.engine.row import reasons
from durable.engine.run.claim import promote
from durable.models import Execution, StepRun, Wait, Worker
from durable.states import FINAL, StepStatus
from durable.storage.transaction import in_transaction, lock

ROUNDS = 1000  # of one repair: more than that is not a repair, but a worker's work
AT_ONCE = 500


def repeatedly(call: Callable[[], int]) -> int:
    """Until there is nothing left of it; how much it was."""
    total = 0
    for _ in range(ROUNDS):
        done = call()
        total += done
        if not done:
            break
    return total


def bury() -> int:
    """Free what the dead hold, and what nobody holds."""
    freed = sum(workers.bury(worker) for worker, _ in workers.expired())
    return freed + workers.free_strays() + workers.free_unknown()


def wake() -> int:
    """Make ready whose time has come."""
    return repeatedly(promote)


def deliver() -> int:
    """Pass on events, answers and ends."""
    return repeatedly(lambda: deliver_due() + report_due())


def block() -> int:
    """Mark what no live worker has the code for; without any, this code counts as alive."""
    own = () if Worker.objects.live().exists() else registry.kinds()
    return repeatedly(lambda: workers.block_orphans(own))


def close() -> int:
    """Close what finished executions have left open."""
    return repeatedly(_close_some) + repeatedly(_stop_some)


@in_transaction
def _close_some() -> int:
    final = Execution.objects.filter(status__in=sorted(FINAL))
    waits = Wait.objects.open().filter(execution__in=final.values("pk"))
    ids: set[UUID] = set(waits.order_by().values_list("execution_id", flat=True)[:AT_ONCE])
    parked = StepRun.objects.filter(status=StepStatus.WAITING, compensation=False)
    parked = parked.filter(execution__in=final.values("pk")).order_by()
    ids |= set(parked.values_list("execution_id", flat=True)[:AT_ONCE])
    held = lock(final.filter(pk__in=ids), skip_locked=True).order_by("pk")
    found = list(held.values_list("pk", flat=True))
    if found:
        finish.close(found)
    return len(found)


@in_transaction
def _stop_some() -> int:
    """Cancel what lives below a finished parent; what is in a step ends with its checkpoint."""
    alive = Execution.objects.unfinished().filter(
        awaited=True, parent__status__in=sorted(FINAL), cancel_requested_at__isnull=True
    )
    found = list(alive.select_related("parent").order_by("pk")[:AT_ONCE])
    for execution in found:
        assert execution.parent is not None
        tree_of.stop(execution, reasons.ended(execution.parent))
    return len(found)


REPAIRS: dict[str, Callable[[], int]] = {
    "bury": bury,
    "promote": wake,
    "deliver": deliver,
    "block": block,
    "close": close,
}
