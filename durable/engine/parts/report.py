"""Report the end of branches, items and awaited children to their parents, exactly once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from durable import codec
from durable.authoring.nodes.tree import Foreach, Parallel
from durable.authoring.parse import registry
from durable.engine.ends import tree_of, turns
from durable.engine.row import failures, reasons
from durable.models import Execution, Role, Wait
from durable.models.execution import ExecutionQuerySet
from durable.models.fields import Stored
from durable.models.given import Among
from durable.states import ROLLBACK, Status, WaitStatus
from durable.storage.failpoints import reach
from durable.storage.share import each
from durable.storage.statement import Statement
from durable.storage.transaction import connection, in_transaction, lock

AT_ONCE = 100
#: parents told in one pass even beyond its share of time: on an overloaded machine a single
#: report may take the whole share
AT_LEAST = 5


def report_due(limit: int = AT_ONCE) -> int:
    """Report ended executions to their parents, as due work; return how many parents were told."""
    told = each(lambda parent: report_to(parent), _parents(limit), at_least=AT_LEAST)
    if told:
        reach("report.after_commit")
    return told


# One probe of the partial index for each parent, however many of its children have ended.
_PARENTS = """
WITH RECURSIVE found(parent_id) AS (
  SELECT * FROM (
    SELECT parent_id FROM durable_execution WHERE unreported ORDER BY parent_id LIMIT 1) AS first
  UNION ALL
  SELECT (SELECT parent_id FROM durable_execution
          WHERE unreported AND parent_id > found.parent_id ORDER BY parent_id LIMIT 1)
  FROM found WHERE found.parent_id IS NOT NULL)
SELECT parent_id FROM found WHERE parent_id IS NOT NULL LIMIT %s
"""


def _parents(limit: int) -> list[UUID]:
    """The parents with unreported executions below them, the oldest first."""
    with connection().cursor() as cursor:
        cursor.execute(_PARENTS, [limit])
        found = [row[0] for row in cursor.fetchall()]
    return [pk if isinstance(pk, UUID) else UUID(pk) for pk in found]


_PARENT = Statement(
    lambda pk: lock(Execution.objects.light().filter(pk=pk).order_by(), skip_locked=True)
)
_ENDED = Statement(
    lambda parent: (
        Execution.objects.unreported().filter(parent=parent).defer("input", "base", "frames")
    ),
    limited=True,
)
_REPORTED = Statement(lambda ids: Execution.objects.filter(Among("id", ids)).mark_reported())


@in_transaction
def report_to(parent_id: UUID) -> int:
    """Report all ends below ``parent_id`` under its lock; 0 if it is locked elsewhere."""
    found: list[Execution] = _PARENT(pk=parent_id)
    if not found:
        return 0
    (parent,) = found
    ended: list[Execution] = _ENDED(parent=parent_id, limit=AT_ONCE)
    for child in ended:
        if child.role == Role.CHILD:
            _answer(child)
            _follow(parent, child)
        elif child.status == Status.FAILED:
            _stop_siblings(parent, child)
    _give_out_turns(parent, ended)
    _REPORTED(ids=[child.pk for child in ended])
    if not parent.is_finished:
        _wake(parent)
    reach("report.before_commit")
    return len(ended)


_ANSWER = Statement(
    lambda child, answer, received: Wait.objects.filter(child=child).resolve(
        WaitStatus.ANSWERED, answer=answer, received=received
    )
)


def _answer(child: Execution) -> None:
    """Answer the parent's wait with a child's result or error."""
    answer = received = None
    if child.status == Status.COMPLETED:
        answer = None if child.data is None else Stored(codec.dumps(child.data, path="answer"))
    else:
        cancelled = {"type": "Cancelled", "message": child.cancel_reason or "cancelled"}
        error = failures.carried(child.error) if child.error else cancelled
        received = failures.encode(_received(child, error))
    _ANSWER(child=child.pk, answer=answer, received=received)


def _received(child: Execution, error: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": child.status,
        "error": error,
        "known_as": failures.known_as(child, error),
    }


def _give_out_turns(parent: Execution, ended: list[Execution]) -> None:
    """Give out the turns of items that a batch gave back."""
    blocks = {
        (parent.pk, child.parent_path, child.parent_visit)
        for child in ended
        if child.role == Role.ITEM and not child.is_finished
    }
    cls = registry.get(parent.workflow, parent.version)
    for block in blocks:
        node = cls.definition.tree.find(block[1]) if cls is not None else None
        if isinstance(node, Foreach):
            turns.mend(block, node)


_FOLLOW = Statement(
    lambda parent, at: (
        Execution.objects.filter(pk=parent, worker__isnull=True)
        .filter(Q(last_completed_at__isnull=True) | Q(last_completed_at__lt=at))
        .update(last_completed_at=at)
    )
)


def _follow(parent: Execution, child: Execution) -> None:
    """Raise the parent's ``last_completed_at`` to the child's, so that its later ends follow."""
    if child.last_completed_at is not None:
        _FOLLOW(parent=parent.pk, at=child.last_completed_at)


def _stop_siblings(parent: Execution, failed: Execution) -> None:
    """``parallel(on_error="fail_fast")``: cancel the siblings of a failed branch."""
    cls = registry.get(parent.workflow, parent.version)
    node = cls.definition.tree.find(failed.parent_path) if cls is not None else None
    if isinstance(node, Parallel) and node.on_error == "fail_fast":
        block = (parent.pk, failed.parent_path, failed.parent_visit)
        why = reasons.failed(failed, failed.error)
        tree_of.stop(Execution.objects.of_block(*block), why)


_WAKE = Statement(lambda parent: Execution.objects.standing_by().filter(pk=parent).due())


def _wake(parent: Execution) -> None:
    """Make a parent ready if it has nothing left to wait for."""
    if parent.worker is None and not _waits_for_more(parent):
        _WAKE(parent=parent.pk)


def idle() -> ExecutionQuerySet:
    """Parked executions that nothing can wake any more: a fault.

    None of their waits is open or untold, and nothing below them is alive or unreported.
    """
    waits = Wait.objects.filter(execution=OuterRef("pk"))
    below = Execution.objects.filter(parent=OuterRef("pk"))
    asleep = Q(status=Status.COMPENSATING, wake_at__isnull=False)  # until its next attempt
    parked = Execution.objects.standing_by().filter(ready_at__isnull=True).exclude(asleep)
    return parked.exclude(
        Exists(waits.filter(Q(status=WaitStatus.OPEN) | Q(told=False)))
        | Exists(below.filter(Q(awaited=True, finished_at__isnull=True) | Q(unreported=True)))
    )


@in_transaction
def wake_idle(limit: int = AT_ONCE) -> int:
    """Make idle executions ready, so that they check their wait themselves; return how many."""
    found = list(lock(idle(), skip_locked=True).values_list("pk", flat=True)[:limit])
    return idle().filter(pk__in=found).due() if found else 0


_ALIVE = Statement(
    lambda parent: (
        Execution.objects.unfinished()
        .filter(tree_of.AWAITED, parent=parent)
        .exclude(parent_path__startswith=ROLLBACK)
        .order_by()
        .values_list("pk", flat=True)
    ),
    limited=True,
)
_OPEN = Statement(
    lambda parent: (
        Wait.objects.open().filter(execution=parent).order_by().values_list("pk", flat=True)
    ),
    limited=True,
)
_UNFINISHED = Statement(
    lambda parent, path, visit: (
        Execution.objects.of_block(parent, path, visit)
        .unfinished()
        .order_by()
        .values_list("pk", flat=True)
    ),
    limited=True,
)


def _waits_for_more(parent: Execution) -> bool:
    undoes = parent.path.startswith(ROLLBACK)
    cancelled = parent.cancel_requested_at is not None and not undoes
    if cancelled or parent.path in ("", ROLLBACK):
        return bool(_ALIVE(parent=parent.pk, limit=1))
    if _OPEN(parent=parent.pk, limit=1):
        return True
    return bool(_UNFINISHED(parent=parent.pk, path=parent.path, visit=parent.visit, limit=1))
