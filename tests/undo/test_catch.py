"""``catch``: the inside is undone, the handler runs with the data before it, the flow goes on."""

from __future__ import annotations

from typing import Any

from django.test import override_settings

import durable
from durable import (
    ChildFailed,
    Fail,
    Retry,
    Workflow,
    WorkflowMeta,
    branch,
    call_workflow,
    catch,
    chain,
    foreach,
    hours,
    minutes,
    parallel,
    repeat,
    step,
)
from durable.testing import advance, drain, run, time_travel
from tests.parts.leftovers import TreeTestCase


class Declined(Exception):
    """What a child raises."""


class Shop(Workflow):
    """Steps to build flows of."""

    class Meta(WorkflowMeta):
        abstract = True

    did: list[Any] = []

    @step
    def before(self, data: Any) -> Any:
        self.did.append("before")
        return {**data, "before": 1}

    @step
    def reserve(self, data: Any) -> Any:
        self.did.append("reserve")
        return {**data, "reserved": True}

    @reserve.compensate
    def release(self, data: Any) -> Any:
        self.did.append(("release", self.error["type"], data.get("reserved")))

    @step
    def pack(self, data: Any) -> Any:
        self.did.append("pack")
        return {**data, "packed": True}

    @pack.compensate
    def unpack(self, data: Any) -> Any:
        self.did.append("unpack")

    @step
    def charge(self, data: Any) -> Any:
        self.did.append("charge")
        match data.get("how"):
            case "declined":
                raise Fail("no money", type="card_declined", details={"code": 5})
            case "key":
                raise KeyError("k")
            case "value":
                raise ValueError("v")
        return {**data, "charged": True}

    @step
    def handle(self, data: Any) -> Any:
        self.did.append("handle")
        return {**data, "handled": data["error"]["type"]}

    @step
    def other(self, data: Any) -> Any:
        self.did.append("other")
        return {**data, "other": data["error"]["type"]}

    @step
    def broken(self, data: Any) -> Any:
        self.did.append("broken")
        raise Fail("handler", type="handler_broken")

    @step
    def after(self, data: Any) -> Any:
        self.did.append("after")
        return {**data, "after": True}


S = Shop


class CatchTests(TreeTestCase):
    def flow(self, flow: Any, **meta: Any) -> type[Workflow]:
        """A workflow of the shop's steps with this flow."""
        options = type("Meta", (WorkflowMeta,), {"name": "w", **meta})
        made: Any = type("W", (Shop,), {"flow": flow, "Meta": options, "did": self.did})
        return made  # type: ignore[no-any-return]

    def test_the_inside_is_undone_then_the_handler_runs_and_the_flow_goes_on(self) -> None:
        w = self.flow(
            chain(
                S.before,
                catch(chain(S.reserve, S.pack, S.charge), {"card_declined": S.handle}),
                S.after,
            )
        )
        execution = run(w, {"how": "declined"})
        self.assertEnded(execution, "completed")
        self.assertEqual(
            self.did,
            [
                "before",
                "reserve",
                "pack",
                "charge",
                "unpack",
                ("release", "card_declined", True),
                "handle",
                "after",
            ],
        )
        error = execution.data.pop("error")
        self.assertEqual(
            execution.data,
            {"how": "declined", "before": 1, "handled": "card_declined", "after": True},
        )
        self.assertEqual((error["message"], error["details"]), ("no money", {"code": 5}))
        self.assertEqual(error["step"].rpartition("/")[2], "charge")

    def test_without_a_failure_the_handlers_are_passed_by(self) -> None:
        w = self.flow(chain(catch(chain(S.reserve, S.charge), {"x": S.handle}), S.after))
        execution = run(w, {})
        self.assertEnded(execution, "completed")
        self.assertEqual(self.did, ["reserve", "charge", "after"])

    def test_a_type_a_class_a_base_class_and_exception_are_tried_in_order(self) -> None:
        handlers = {"card_declined": S.handle, LookupError: S.other, Exception: S.after}
        w = self.flow(chain(catch(S.charge, handlers)))
        for how, ran in (("declined", "handle"), ("key", "other"), ("value", "after")):
            with self.subTest(how=how):
                self.did.clear()
                self.assertEnded(run(w, {"how": how}), "completed")
                self.assertEqual(self.did, ["charge", ran])

    def test_the_first_that_fits_is_taken(self) -> None:
        w = self.flow(chain(catch(S.charge, {Exception: S.handle, KeyError: S.other})))
        self.assertEnded(run(w, {"how": "key"}), "completed")
        self.assertEqual(self.did, ["charge", "handle"])

    def test_what_is_not_listed_goes_further_out(self) -> None:
        w = self.flow(chain(catch(chain(S.reserve, S.charge), {"card_declined": S.handle})))
        execution = run(w, {"how": "value"})
        self.assertEnded(execution, "compensated", "ValueError")
        self.assertEqual(self.did, ["reserve", "charge", ("release", "ValueError", True)])

    def test_only_what_fails_for_good_is_caught(self) -> None:
        class W(Shop):
            @step(retry=Retry(max_attempts=3, base=minutes(1), jitter=0))
            def charge(self, data: Any) -> Any:
                if self.attempt < 3:
                    raise ValueError("again")
                return {**data, "attempt": self.attempt}

            flow = chain(catch(chain(S.reserve, charge), {Exception: S.handle}))

        with time_travel():
            execution = run(W)
            advance(minutes=10)
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["attempt"], 3)

    def test_into_names_the_key_of_the_error(self) -> None:
        w = self.flow(chain(catch(S.charge, {"card_declined": S.after}, into="problem")))
        execution = run(w, {"how": "declined"})
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["problem"]["type"], "card_declined")
        self.assertNotIn("error", execution.data)

    def test_a_handler_may_wait_and_hold_blocks_and_branches(self) -> None:
        class W(Shop):
            @step
            def ask(self, data: Any) -> Any:
                return {**data, "how": self.wait_for_event("instead")}

            flow = chain(
                catch(
                    chain(Shop.reserve, Shop.charge),
                    {
                        "card_declined": chain(
                            ask,
                            parallel(Shop.pack, handle=Shop.handle),
                            branch(on="how", cases={"cash": Shop.after}, default=Shop.broken),
                        )
                    },
                ),
                Shop.before,
            )

        W.did = self.did
        execution = run(W, {"how": "declined"})
        self.assertStands(execution, "waiting")
        durable.send_event(execution.id, "instead", "cash")
        drain()
        self.assertEnded(execution, "completed")
        self.assertEqual(set(self.did[3:5]), {"pack", "handle"})
        self.assertEqual(self.did[5:], ["after", "before"])
        self.assertEqual((execution.data["how"], execution.data["packed"]), ("cash", True))

    def test_an_error_in_a_handler_goes_further_out_and_undoes_the_rest_once(self) -> None:
        w = self.flow(
            chain(
                S.pack,
                catch(chain(S.reserve, S.charge), {"card_declined": S.broken, Exception: S.handle}),
            )
        )
        execution = run(w, {"how": "declined"})
        self.assertEnded(execution, "compensated", "handler_broken")
        self.assertEqual(
            self.did,
            ["pack", "reserve", "charge", ("release", "card_declined", True), "broken", "unpack"],
        )

    def test_an_outer_catch_takes_what_the_inner_one_or_its_handler_lets_through(self) -> None:
        inner = catch(chain(S.reserve, S.charge), {"card_declined": S.broken})
        w = self.flow(chain(catch(chain(S.pack, inner), {Exception: S.handle}), S.after))
        execution = run(w, {"how": "declined"})
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["handled"], "handler_broken")
        self.assertEqual(
            self.did,
            [
                "pack",
                "reserve",
                "charge",
                ("release", "card_declined", True),
                "broken",
                "unpack",
                "handle",
                "after",
            ],
        )
        self.did.clear()
        execution = run(w, {"how": "key"})
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["handled"], "KeyError")
        self.assertEqual(
            self.did,
            [
                "pack",
                "reserve",
                "charge",
                ("release", "KeyError", True),
                "unpack",
                "handle",
                "after",
            ],
        )

    def test_around_a_parallel_the_branches_are_undone(self) -> None:
        w = self.flow(
            chain(
                S.before,
                catch(
                    parallel(S.reserve, bad=chain(S.pack, S.charge)), {"card_declined": S.handle}
                ),
                S.after,
            )
        )
        execution = run(w, {"how": "declined"})
        self.assertEnded(execution, "completed")
        self.assertEqual(
            set(map(str, self.did[4:6])), {"unpack", "('release', 'card_declined', True)"}
        )
        self.assertEqual(self.did[-2:], ["handle", "after"])
        self.assertNotIn("reserved", execution.data)

    def test_around_a_foreach_the_items_are_undone_with_item_and_index(self) -> None:
        did = self.did

        class W(Shop):
            @step
            def book(self, data: Any, item: Any, index: Any) -> Any:
                if item == "bad":
                    raise Fail("bad", type="bad")
                return {**data, item: index}

            @book.compensate
            def unbook(self, data: Any, item: Any, index: Any) -> Any:
                did.append((item, index, data))

            flow = chain(catch(foreach("items", book), {"ForeachFailed": S.after}))

        W.did = self.did
        execution = run(W, {"items": ["a", "b", "bad", "c"]})
        self.assertEnded(execution, "completed")
        items = {"items": ["a", "b", "bad", "c"]}
        self.assertEqual(
            did, [("b", 1, {**items, "a": 0, "b": 1}), ("a", 0, {**items, "a": 0}), "after"]
        )
        self.assertEqual(execution.data["error"]["details"]["errors"][0][0], 2)

    def test_around_a_branch_and_call_workflow(self) -> None:
        class Child(Shop):
            flow = chain(S.pack, S.charge)

        Child.did = self.did
        choice = branch(
            on="way", cases={"child": call_workflow(Child, into="child"), "charge": S.charge}
        )
        w = self.flow(
            chain(catch(chain(S.reserve, choice), {ChildFailed: S.handle, "ValueError": S.other}))
        )
        execution = run(w, {"how": "declined", "way": "child"})
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["handled"], "ChildFailed")
        self.assertEqual(execution.data["error"]["details"]["error"]["type"], "card_declined")
        self.assertEqual(
            self.did,
            ["reserve", "pack", "charge", "unpack", ("release", "ChildFailed", True), "handle"],
        )
        execution = run(w, {"how": "value", "way": "charge"})
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["other"], "ValueError")

    def test_children_that_completed_inside_are_undone(self) -> None:
        class Child(Shop):
            flow = chain(S.pack)

        Child.did = self.did
        w = self.flow(chain(catch(chain(call_workflow(Child), S.charge), {Exception: S.handle})))
        execution = run(w, {"how": "declined"})
        self.assertEnded(execution, "completed")
        self.assertEqual(self.did, ["pack", "charge", "unpack", "handle"])
        self.assertEqual(execution.compensations.count(), 1)

    def test_inside_a_parallel_branch(self) -> None:
        w = self.flow(
            chain(
                parallel(
                    S.reserve, safe=catch(chain(S.pack, S.charge), {"card_declined": S.handle})
                ),
                S.after,
            )
        )
        execution = run(w, {"how": "declined"})
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["handled"], "card_declined")
        self.assertTrue(execution.data["reserved"])
        self.assertNotIn("packed", execution.data)
        self.assertUndone(execution, "parallel/safe/catch/do/pack")

    def test_inside_a_foreach_item_whatever_the_concurrency(self) -> None:
        for concurrency in (1, 2):
            with self.subTest(concurrency=concurrency):
                undone = self.did = []

                class W(Workflow):
                    class Meta(WorkflowMeta):
                        name = f"items_{concurrency}"

                    did = self.did

                    @step
                    def book(self, data: Any, item: Any, index: Any) -> Any:
                        return {**data, f"booked{item}": True}

                    @book.compensate
                    def unbook(self, data: Any, item: Any, index: Any) -> Any:
                        self.did.append((item, index))

                    @step
                    def pay(self, data: Any, item: Any, index: Any) -> Any:
                        if item == 2:
                            raise Fail("no", type="declined")
                        return {**data, f"paid{item}": True}

                    @step
                    def note(self, data: Any, item: Any, index: Any) -> Any:
                        error = data.pop("error")
                        return {**data, f"noted{item}": error["type"]}

                    flow = chain(
                        foreach(
                            "items",
                            catch(chain(book, pay), {"declined": note}),
                            concurrency=concurrency,
                        )
                    )

                execution = run(W, {"items": [1, 2, 3]})
                self.assertEnded(execution, "completed")
                self.assertEqual(undone, [(2, 1)])
                self.assertEqual(
                    execution.data,
                    {
                        "items": [1, 2, 3],
                        "booked1": True,
                        "paid1": True,
                        "noted2": "declined",
                        "booked3": True,
                        "paid3": True,
                    },
                )

    def test_inside_an_item_that_is_collected_the_value_may_be_anything(self) -> None:
        class W(Workflow):
            @step
            def first(self, data: Any, item: Any, index: Any) -> Any:
                return 5

            @step
            def fails(self, data: Any, item: Any, index: Any) -> Any:
                raise Fail("no", type="declined")

            @step
            def note(self, data: Any, item: Any, index: Any) -> Any:
                return data["error"]["type"]

            flow = chain(
                foreach(
                    "items", chain(first, catch(fails, {"declined": note})), collect_as="results"
                )
            )

        execution = run(W, {"items": [1, 2]})
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["results"], ["declined", "declined"])

    def test_in_a_loop_only_the_steps_of_that_round_are_undone(self) -> None:
        did = self.did

        class W(Workflow):
            @step
            def up(self, data: Any) -> Any:
                return {**data, "n": data["n"] + 1}

            @step
            def book(self, data: Any) -> Any:
                return {**data, "booked": data["n"]}

            @book.compensate
            def unbook(self, data: Any) -> Any:
                did.append(data["booked"])

            @step
            def pay(self, data: Any) -> Any:
                if data["n"] == 2:
                    raise ValueError("two")

            @step
            def note(self, data: Any) -> Any:
                return {**data, "noted": data["n"]}

            flow = chain(
                repeat(
                    chain(up, catch(chain(book, pay), {ValueError: note})),
                    until=lambda data: data["n"] >= 3,
                )
            )

        execution = run(W, {"n": 0})
        self.assertEnded(execution, "completed")
        self.assertEqual(did, [2])
        self.assertEqual((execution.data["noted"], execution.data["booked"]), (2, 3))

    def test_around_a_loop_all_rounds_are_undone(self) -> None:
        did = self.did

        class W(Workflow):
            @step
            def book(self, data: Any) -> Any:
                if data["n"] == 3:
                    raise ValueError("three")
                return {**data, "n": data["n"] + 1}

            @book.compensate
            def unbook(self, data: Any) -> Any:
                did.append(data["n"])

            @step
            def note(self, data: Any) -> Any: ...

            flow = chain(catch(repeat(book, until="never"), {ValueError: note}))

        execution = run(W, {"n": 0})
        self.assertEnded(execution, "completed")
        self.assertEqual((did, execution.data["n"]), ([3, 2, 1], 0))

    def test_a_compensation_that_fails_inside_does_not_keep_the_handler_from_running(self) -> None:
        did = self.did

        class W(Shop):
            @S.reserve.compensate
            def release(self, data: Any) -> Any:
                did.append("release")
                raise ValueError("stuck")

            flow = chain(catch(chain(S.pack, "reserve", S.charge), {"card_declined": S.handle}))

            @step
            def reserve(self, data: Any) -> Any:
                return data

        W.did = self.did
        execution = run(W, {"how": "declined"})
        self.assertEnded(execution, "completed")
        self.assertEqual(self.did, ["pack", "charge", "release", "unpack", "handle"])
        self.assertEqual(
            sorted(execution.compensations.values_list("status", flat=True)),
            ["completed", "failed"],
        )

    def test_a_compensation_inside_may_wait_and_the_execution_may_be_cancelled_meanwhile(
        self,
    ) -> None:
        did = self.did

        class W(Workflow):
            @step
            def reserve(self, data: Any) -> Any: ...

            @reserve.compensate
            def release(self, data: Any) -> Any:
                self.wait_for_event("released")
                did.append("released")

            @step
            def fails(self, data: Any) -> Any:
                raise ValueError("no")

            @step
            def handle(self, data: Any) -> Any:
                did.append("handled")

            flow = chain(catch(chain(reserve, fails), {Exception: handle}))

        execution = run(W)
        self.assertStands(execution, "waiting")
        durable.send_event(execution.id, "released")
        drain()
        self.assertEnded(execution, "completed")
        self.assertEqual(did, ["released", "handled"])

        execution = run(W)
        durable.cancel(execution.id)
        drain()
        self.assertEnded(execution, "cancelled")

        execution = run(W)
        durable.cancel(execution.id, compensate=True)
        drain()
        self.assertStands(execution, "compensating")
        durable.send_event(execution.id, "released")
        drain()
        self.assertEnded(execution, "compensated")
        self.assertUndone(execution, "catch/do/reserve")

    def test_the_time_of_the_whole_workflow_is_not_caught(self) -> None:
        did = self.did

        class W(Workflow):
            class Meta(WorkflowMeta):
                timeout = hours(1)

            @step
            def reserve(self, data: Any) -> Any: ...

            @reserve.compensate
            def release(self, data: Any) -> Any:
                did.append("release")

            @step
            def waits(self, data: Any) -> Any:
                self.wait_for_event("never")

            @step
            def handle(self, data: Any) -> Any:
                did.append("handled")

            flow = chain(catch(chain(reserve, waits), {Exception: handle}))

        with time_travel():
            execution = run(W)
            advance(hours=2)
            self.assertEnded(execution, "compensated", "WorkflowTimeout")
        self.assertEqual(did, ["release"])

    def test_an_error_that_does_not_fit_into_the_data_goes_further_out(self) -> None:
        class W(Workflow):
            @step
            def fails(self, data: Any) -> Any:
                raise ValueError("x" * 3000)

            @step
            def handle(self, data: Any) -> Any: ...

            flow = chain(catch(catch(fails, {ValueError: handle}), {"NotSerializable": handle}))

        with override_settings(DURABLE={"MAX_DATA_BYTES": 1500}):
            execution = run(W, {"fill": "x" * 1000})
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["error"]["type"], "NotSerializable")

    def test_a_failed_callable_of_the_flow_is_caught_too(self) -> None:
        choice = branch(on=lambda data: data["missing"], cases={1: S.pack})
        w = self.flow(chain(catch(chain(S.reserve, choice), {KeyError: S.handle})))
        execution = run(w)
        self.assertEnded(execution, "completed")
        self.assertEqual(self.did, ["reserve", ("release", "KeyError", True), "handle"])

    def test_retry_goes_on_in_the_handler_that_failed_and_in_the_inside(self) -> None:
        class W(Workflow):
            @step
            def fails(self, data: Any) -> Any:
                raise ValueError("v")

            @step
            def handle(self, data: Any) -> Any:
                if self.attempt < 2 and not retried:
                    raise RuntimeError("once")
                return {**data, "handled": data["error"]["type"]}

            flow = chain(catch(fails, {ValueError: handle}))

        retried: list[int] = []
        execution = run(W)
        self.assertEnded(execution, "failed", "RuntimeError")
        retried.append(1)
        durable.retry(execution.id)
        drain()
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["handled"], "ValueError")

        class Held(Shop):
            class Meta(WorkflowMeta):
                on_failure = "hold"

            @step
            def flaky(self, data: Any) -> Any:
                if len(retried) == 1:
                    raise KeyError("once")
                if len(retried) == 2:
                    raise Fail("x", type="card_declined")

            flow = chain(catch(chain(S.reserve, flaky), {"card_declined": S.handle}))

        Held.did = self.did
        execution = run(Held)
        self.assertEnded(execution, "failed", "KeyError")
        retried.append(1)
        durable.retry(execution.id)
        drain()
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data["handled"], "card_declined")

    def test_rerun_from_a_step_inside_is_inside_again(self) -> None:
        w = self.flow(chain(S.before, catch(chain(S.reserve, S.charge), {Exception: S.handle})))
        execution = run(w, {"how": "declined"})
        self.did.clear()
        again = durable.rerun(execution.id, from_step="charge")
        drain()
        self.assertEnded(again, "completed")
        self.assertEqual(self.did, ["charge", "handle"])
        self.assertNotIn("reserved", again.data)


class ChildErrorTests(TreeTestCase):
    """A failed child is known by its own error too, however many children lie between."""

    def caught(self, key: Any, error: Any, levels: int = 1) -> str:
        class Child(Workflow):
            @step
            def go(self, data: Any) -> Any:
                raise error

        child: Any = Child
        for level in range(1, levels):
            child = type(f"Child{level}", (Workflow,), {"flow": chain(call_workflow(child))})

        class Parent(Workflow):
            @step
            def caught(self, data: Any) -> Any:
                return {"caught": data["error"]["type"]}

            flow = chain(catch(call_workflow(child), {key: caught}))

        execution = run(Parent)
        self.assertIn(execution.status, ("completed", "failed"))
        if execution.status == "completed":
            self.assertEqual(execution.data, {"caught": "ChildFailed"})
        return str(execution.status)

    def test_by_its_type_its_class_and_the_classes_above(self) -> None:
        declined = Fail("no", type="card_declined")
        for key, error in (
            ("card_declined", declined),
            (Fail, declined),
            (Declined, Declined("no")),
            ("Declined", Declined("no")),
            (LookupError, KeyError("k")),
            ("ChildFailed", declined),
            (ChildFailed, declined),
            (Exception, declined),
        ):
            for levels in (1, 3) if key in ("card_declined", Fail) else (1,):
                with self.subTest(key=key, levels=levels):
                    self.assertEqual(self.caught(key, error, levels), "completed")

    def test_not_by_any_other(self) -> None:
        for key in ("other", Declined, KeyError, "durable.errors.Fail"):
            with self.subTest(key=key):
                self.assertEqual(self.caught(key, Fail("no", type="card_declined")), "failed")
