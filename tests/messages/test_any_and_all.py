"""One wait may take the first of several events, or one event of each name."""

from __future__ import annotations

import durable
from durable import Workflow, step
from durable.testing import assert_completed, assert_waiting_for, drain, run
from tests.cases import WorkflowTestCase
from tests.messages.test_events import send


class AnyAndAllTests(WorkflowTestCase):
    def test_any_returns_name_and_payload_of_the_first_that_was_sent(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                name, payload = self.wait_for_any(["b", "a"])
                return {"name": name, "payload": payload}

        for early in (True, False):
            execution = durable.start(P)
            if not early:
                drain()
            send(execution, "other", "a", "b")
            drain()
            assert_completed(execution)
            self.assertEqual(execution.result, {"name": "a", "payload": "a payload"})
            kept = execution.events.filter(status="kept").values_list("name", flat=True)
            self.assertEqual(sorted(kept), ["b", "other"])

    def test_all_returns_every_payload_in_the_order_of_the_names(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return self.wait_for_all(["a", "b", "c"])

        execution = run(P)
        for name in ("c", "a"):
            send(execution, name)
            drain()
            assert_waiting_for(execution, event="b")
        send(execution, "b")
        drain()
        assert_completed(execution)
        self.assertEqual(list(execution.result), ["a", "b", "c"])
        self.assertEqual(execution.result["b"], "b payload")

    def test_all_takes_one_event_of_each_name_and_leaves_the_others(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                first = self.wait_for_all(["a", "b"])
                return {"first": first, "second": self.wait_for_all(["a", "b"])}

        execution = durable.start(P)
        for n, name in enumerate(["a", "a", "b", "b"]):
            durable.send_event(execution.id, name, n)
        drain()
        assert_completed(execution)
        wanted = {"first": {"a": 0, "b": 2}, "second": {"a": 1, "b": 3}}
        self.assertEqual(execution.result, wanted)

    def test_some_early_and_some_late(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return self.wait_for_all(["a", "b"])

        execution = durable.start(P)
        send(execution, "a")
        drain()
        assert_waiting_for(execution, event="b")
        send(execution, "b")
        drain()
        assert_completed(execution)

    def test_payloads_that_are_as_large_as_they_may_be_are_delivered_together(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.wait_for_any(["a", "b"])
                got = self.wait_for_all(["a", "b"])
                return {name: len(payload) for name, payload in got.items()}

        execution = run(P)
        size = 2**20 - 2
        for name in ("a", "a", "b"):
            durable.send_event(execution.id, name, "x" * size)
            drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"a": size, "b": size})

    def test_names_must_differ_and_be_there(self) -> None:
        for names in ([], ["a", "a"], "ab", [""], [1]):

            class P(Workflow):
                @step
                def one(self, data, names=names):
                    self.wait_for_any(names)

            execution = run(P)
            execution.refresh_from_db()
            self.assertEqual(execution.status, "failed")
