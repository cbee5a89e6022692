"""``@step(queue=)``: a step runs on a queue of its own, the others on the execution's."""

from __future__ import annotations

from typing import Any

from django.test import TestCase

import durable
from durable import Workflow, step
from durable.testing import assert_completed, isolate_workflows, run


class StepQueueTests(TestCase):
    def test_a_step_runs_on_the_queue_that_it_names_and_the_next_on_the_executions_own(
        self,
    ) -> None:
        seen: list[tuple[str, str]] = []
        with isolate_workflows():

            class Mixed(Workflow):
                @step
                def first(self, data: Any) -> None:
                    seen.append(("first", self.execution.queue))

                @step(queue="slow")
                def second(self, data: Any) -> None:
                    seen.append(("second", self.execution.queue))

                @step
                def third(self, data: Any) -> None:
                    seen.append(("third", self.execution.queue))

            assert_completed(run(Mixed, queue="mail"))
        self.assertEqual(seen, [("first", "mail"), ("second", "slow"), ("third", "mail")])

    def test_an_execution_whose_first_step_names_a_queue_starts_there(self) -> None:
        with isolate_workflows():

            class Slow(Workflow):
                @step(queue="slow")
                def only(self, data: Any) -> None: ...

            self.assertEqual(durable.start(Slow).queue, "slow")
