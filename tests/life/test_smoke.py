"""The main job in miniature."""

from __future__ import annotations

from django.test import TestCase

import durable
from durable import Retry, Workflow, branch, chain, days, minutes, step
from durable.testing import (
    advance,
    assert_completed,
    assert_step,
    assert_waiting_for,
    drain,
    isolate_workflows,
    run,
    time_travel,
)


class SmokeTests(TestCase):
    def setUp(self) -> None:
        iso = isolate_workflows()
        iso.__enter__()
        self.addCleanup(iso.__exit__, None, None, None)

    def test_pipeline(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"n": data["n"] + 1}

            @step
            def two(self, data):
                data["m"] = 1

        e = run(P, {"n": 1})
        assert_completed(e)
        self.assertEqual(e.result, {"n": 2, "m": 1})
        assert_step(e, "two", attempts=1)

    def test_branch_wait_approval(self) -> None:
        class E(Workflow):
            @step
            def ask(self, data):
                d = self.wait_for_approval(
                    "manager", prompt="?", timeout=days(3), timeout_value="auto"
                )
                return {**data, "decision": d}

            @step
            def yes(self, data):
                return {**data, "r": "yes"}

            @step
            def no(self, data):
                return {**data, "r": "no"}

            flow = chain(ask, branch(on="decision", cases={"approved": yes}, default=no))

        e = run(E, {"amount": 1})
        assert_waiting_for(e, input="manager")
        durable.provide_input(e.id, "manager", "approved")
        drain()
        assert_completed(e)
        self.assertEqual(e.result["r"], "yes")
        with time_travel():
            e = run(E, {})
            advance(days=3)
            assert_completed(e)
            self.assertEqual(e.result["r"], "no")

    def test_retry_sleep_events(self) -> None:
        class R(Workflow):
            @step(retry=Retry(max_attempts=3, base=minutes(1)))
            def flaky(self, data):
                if self.attempt < 3:
                    raise ValueError("x")
                return {"a": self.attempt}

            @step
            def nap(self, data):
                self.sleep(days(1))
                name, payload = self.wait_for_any(["a", "b"], timeout=days(1))
                return {**data, "e": name, "p": payload}

        with time_travel():
            e = run(R)
            advance(days=2)
            durable.send_event(e.id, "b", {"x": 1})
            drain()
            assert_completed(e)
            self.assertEqual(e.result, {"a": 3, "e": "b", "p": {"x": 1}})
            assert_step(e, "flaky", attempts=3)
