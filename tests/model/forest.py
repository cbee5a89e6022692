"""A world of trees: ends are told to parents, and operators mean whole trees."""

from __future__ import annotations

from uuid import UUID

import durable
from durable.engine.deliver import deliver_due, wake_answered
from durable.engine.duties import workers
from durable.engine.parts.report import report_due
from durable.engine.run.claim import promote
from durable.models import Execution
from durable.states import Status
from tests.model.world import World
from tests.stage import bury_the_dead


class Forest(World):
    """A world in which executions have children, branches and items."""

    def tick(self) -> None:
        chores = [
            deliver_due,
            wake_answered,
            report_due,
            promote,
            bury_the_dead,
            lambda: workers.block_orphans([]),
        ]
        self.dice.shuffle(chores)
        for chore in chores:
            chore()

    def cancel(self) -> None:
        """With or without a rollback."""

        def undo(pk: UUID) -> None:
            durable.cancel(pk, compensate=True)

        self.operate(undo if self.dice.random() < 0.5 else durable.cancel)

    def resume(self) -> None:
        paused = Execution.objects.roots().filter(status=Status.PAUSED).order_by("id")
        for pk in paused.values_list("pk", flat=True)[:1]:
            durable.resume(pk)

    def help(self, execution: Execution) -> None:
        """A tree only waits for time and for its operator."""
        if execution.parent_id is None and execution.status == Status.PAUSED:
            durable.resume(execution.pk)
