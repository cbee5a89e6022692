"""A published event finds its execution by a key, so nobody needs to know an id."""

from __future__ import annotations

from typing import Any, ClassVar

import durable
from durable import Workflow, WorkflowMeta, chain, hours, step, wait_for_event
from durable.models import CorrelationKey, Event, Execution
from durable.testing import advance, assert_completed, assert_waiting_for, drain, run, time_travel
from tests.cases import WorkflowTestCase


class Paid(Workflow):
    class Meta:
        abstract = True

    @step
    def one(self, data):
        return {**data, "got": self.wait_for_event("paid")}


class CorrelationTests(WorkflowTestCase):
    def got(self, execution: Execution) -> Any:
        assert_completed(execution)
        return execution.result["got"]

    def test_keys_of_start_receive_published_events(self) -> None:
        class P(Paid):
            pass

        execution = run(P, keys=["order:1", "invoice:7"])
        other = run(P, keys=["order:2"])
        durable.publish_event("paid", 5, key="invoice:7")
        drain()
        self.assertEqual(self.got(execution), 5)
        assert_waiting_for(other, event="paid")

    def test_meta_key_is_a_key_of_the_input(self) -> None:
        class P(Paid):
            class Meta(WorkflowMeta):
                key = "order"

        execution = run(P, {"order": 17})
        without = run(P, {})
        durable.publish_event("paid", 5, key="17")
        drain()
        self.assertEqual(self.got(execution), 5)
        assert_waiting_for(without, event="paid")

    def test_meta_key_may_be_a_dotted_key_as_in_a_flow(self) -> None:
        class P(Paid):
            class Meta(WorkflowMeta):
                key = "order.id"

        nested, plain = run(P, {"order": {"id": "o17"}}), run(P, {"order.id": "o18"})
        durable.publish_event("paid", 5, key="o17")
        durable.publish_event("paid", 6, key="o18")
        drain()
        self.assertEqual((self.got(nested), self.got(plain)), (5, 6))

    def test_meta_key_may_be_a_callable(self) -> None:
        class P(Paid):
            class Meta(WorkflowMeta):
                key = staticmethod(lambda input: f"order:{input['order']}")

        def key_of(input: dict[str, Any]) -> str | None:
            return None if "order" not in input else f"o:{input['order']}"

        class Q(Paid):
            class Meta(WorkflowMeta):
                key = key_of

        first, second, without = run(P, {"order": 1}), run(Q, {"order": 1}), run(Q, {})
        durable.publish_event("paid", 5, key="order:1")
        durable.publish_event("paid", 6, key="o:1")
        drain()
        self.assertEqual((self.got(first), self.got(second)), (5, 6))
        assert_waiting_for(without, event="paid")

    def test_keys_of_start_many_come_from_the_input(self) -> None:
        class P(Paid):
            class Meta(WorkflowMeta):
                key = "order"

        rows = durable.start_many(P, [{"order": "a"}, {"order": "b"}])
        durable.publish_event("paid", 5, key="b")
        drain()
        self.assertEqual(self.got(Execution.objects.get(pk=rows[1].pk)), 5)

    def test_an_execution_carries_the_key_it_waits_under_from_then_on(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                data["one"] = self.wait_for_event("paid", key="order:1")

            @step
            def two(self, data):
                self.wait_for_event("go")
                data["two"] = self.wait_for_event("shipped")

        execution = run(P)
        durable.publish_event("paid", 1, key="order:1")
        drain()
        durable.publish_event("shipped", 2, key="order:1")
        durable.send_event(execution.id, "go")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"one": 1, "two": 2})

    def test_waiting_twice_under_one_key_is_fine(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": [self.wait_for_event("e", key="k") for _ in range(2)]}

        execution = run(P, keys=["k"])
        for n in range(2):
            durable.publish_event("e", n, key="k")
            drain()
        self.assertEqual(self.got(execution), [0, 1])
        self.assertEqual(CorrelationKey.objects.count(), 1)

    def test_a_wait_under_a_key_does_not_take_an_event_of_another(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": self.wait_for_event("e", key="b")}

        execution = run(P, keys=["a"])
        durable.publish_event("e", "of a", key="a")
        drain()
        assert_waiting_for(execution, event="e")
        durable.publish_event("e", "of b", key="b")
        drain()
        self.assertEqual(self.got(execution), "of b")

    def test_an_event_goes_into_the_inbox_of_every_unfinished_carrier_waiting_or_not(self) -> None:
        class P(Paid):
            pass

        class Later(Workflow):
            @step
            def one(self, data):
                self.sleep(hours(1))

            @step
            def two(self, data):
                return {"got": self.wait_for_event("paid")}

        class Done(Workflow):
            @step
            def one(self, data):
                pass

        with time_travel():
            waiting = [run(P, keys=["k"]) for _ in range(2)]
            asleep, done = run(Later, keys=["k"]), run(Done, keys=["k"])
            unstarted = durable.start(P, delay=hours(1), keys=["k"])
            durable.publish_event("paid", 5, key="k")
            drain()
            self.assertEqual([self.got(execution) for execution in waiting], [5, 5])
            advance(hours=1)
            self.assertEqual([self.got(asleep), self.got(unstarted)], [5, 5])
            self.assertFalse(done.events.exists())
            source = Event.objects.get(execution=None)
            self.assertEqual(source.status, "delivered")
            self.assertEqual(source.copies.count(), 4)

    def test_an_event_before_any_carrier_is_kept_for_the_first_that_gets_the_key(self) -> None:
        class P(Paid):
            pass

        durable.publish_event("paid", 5, key="k")
        drain()
        self.assertEqual(Event.objects.get().status, "kept")
        first = run(P, keys=["k"])
        second = run(P, keys=["k"])
        self.assertEqual(self.got(first), 5)
        assert_waiting_for(second, event="paid")

    def test_two_that_start_at_once_dont_both_get_what_was_kept(self) -> None:
        class P(Paid):
            pass

        durable.publish_event("paid", 5, key="k")
        drain()
        first, second = durable.start(P, keys=["k"]), durable.start(P, keys=["k"])
        drain()
        self.assertEqual(self.got(first), 5)
        assert_waiting_for(second, event="paid")

    def test_what_was_kept_comes_in_the_order_in_which_it_was_published(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": [self.wait_for_event("e") for _ in range(3)]}

        for n in range(2):
            durable.publish_event("e", n, key="k")
        drain()
        execution = durable.start(P, keys=["k"])
        durable.publish_event("e", 2, key="k")
        drain()
        self.assertEqual(self.got(execution), [0, 1, 2])

    def test_an_event_is_also_kept_for_one_that_gets_the_key_by_waiting_under_it(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": self.wait_for_event("paid", key="k")}

        durable.publish_event("paid", 5, key="k")
        drain()
        self.assertEqual(self.got(run(P)), 5)

    def test_an_event_nobody_took_is_kept_when_its_only_carrier_is_finished(self) -> None:
        class Done(Workflow):
            @step
            def one(self, data):
                pass

        class P(Paid):
            pass

        run(Done, keys=["k"])
        durable.publish_event("paid", 5, key="k")
        drain()
        self.assertEqual(self.got(run(P, keys=["k"])), 5)

    def test_any_and_all_take_keys_too(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                any_of = self.wait_for_any(["a", "b"], key="k")
                return {"any": any_of, "all": self.wait_for_all(["a", "b"], key="k")}

        execution = run(P)
        for name in ("b", "b", "a"):
            durable.publish_event(name, name.upper(), key="k")
            drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"any": ("b", "B"), "all": {"a": "A", "b": "B"}})

    def test_without_a_key_no_execution_gets_it(self) -> None:
        class P(Paid):
            pass

        execution = run(P, keys=["k"])
        durable.publish_event("paid", 5)
        drain()
        assert_waiting_for(execution, event="paid")
        self.assertFalse(execution.events.exists())

    def test_an_event_sent_to_the_execution_reaches_a_wait_under_a_key(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": self.wait_for_event("paid", key="k")}

        execution = run(P)
        durable.send_event(execution.id, "paid", 5)
        drain()
        self.assertEqual(self.got(execution), 5)

    def test_a_standing_wait_takes_a_key_from_the_data(self) -> None:
        class P(Workflow):
            seen: ClassVar[list[Any]] = []

            @step
            def one(self, data):
                return {"order": data["id"]}

            flow = chain(
                one, wait_for_event("paid", key=lambda data: f"o:{data['order']}", into="got")
            )

        execution = run(P, {"id": 3})
        durable.publish_event("paid", 5, key="o:3")
        drain()
        self.assertEqual(self.got(execution), 5)
