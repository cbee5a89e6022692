"""``self.idempotency_key`` makes the outside call of a step that runs again safe to repeat."""

from __future__ import annotations

from typing import Any

import durable
from durable import Retry, Workflow, branch, chain, seconds, step
from durable.testing import assert_completed, drain, run
from tests.cases import WorkflowTestCase
from tests.life.cases import die_at, die_in_the_next_step


class IdempotencyKeyTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.keys: list[tuple[str, str]] = []

    def note(self, step: Any, name: str) -> None:
        self.keys.append((name, step.idempotency_key))

    def test_it_is_stable_across_attempts_waits_crashes_and_an_operators_retry(self) -> None:
        note = self.note

        class P(Workflow):
            @step(atomic=False, retry=Retry(2, base=seconds(0)))
            def one(self, data):
                note(self, "one")
                runs = len(self.execution.steps.filter(status="failed"))
                if runs < 2:
                    raise ValueError
                self.wait_for_event("go")

        execution = durable.start(P)
        die_in_the_next_step()
        die_at("body.after")
        drain()
        self.assertFailed(execution, "ValueError")
        durable.retry(execution.id)
        drain()
        durable.send_event(execution.id, "go")
        drain()
        assert_completed(execution)
        self.assertGreaterEqual(len(self.keys), 4)
        self.assertEqual(len(set(self.keys)), 1)
        self.assertTrue(isinstance(self.keys[0][1], str) and self.keys[0][1])

    def test_it_differs_per_step_place_and_execution(self) -> None:
        note = self.note

        class P(Workflow):
            @step
            def one(self, data):
                note(self, "one")

            @step
            def two(self, data):
                note(self, "two")

            flow = chain(
                one,
                two,
                one.named("again"),
                branch(on="a", cases={1: chain(one, two)}),
            )

        run(P, {"a": 1})
        run(P, {"a": 1})
        keys = [key for _, key in self.keys]
        self.assertEqual(len(keys), 10)
        self.assertEqual(len(set(keys)), 10)
