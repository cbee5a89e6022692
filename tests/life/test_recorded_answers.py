"""What is on record comes back without the code that it came from."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms

import durable
from durable import Workflow, WorkflowMeta, call_workflow, chain, clock, days, foreach, step
from durable.authoring.parse import registry
from durable.errors import ChildFailed, WaitTimeout
from durable.models import Execution
from durable.states import Status
from durable.testing import advance, drain, run, time_travel
from tests.parts.leftovers import TreeTestCase


class ContractForm(forms.Form):
    """Something to fill in."""

    title = forms.CharField()


class RecordedAnswerTests(TreeTestCase):
    """A process that lacks a class goes on with what is recorded of it."""

    def setUp(self) -> None:
        super().setUp()
        seen: list[Any] = []

        class Below(Workflow):
            class Meta(WorkflowMeta):
                name = "below"

            @step
            def one(self, data: Any) -> Any:
                if data.get("fail"):
                    raise durable.Fail("no", type="declined")
                if data.get("wait"):
                    self.wait_for_event("never")
                return {"from": "below"}

        self.seen = seen

    def lose(self, name: str = "below") -> None:
        """This process has the workflow no more."""
        del registry._classes[name, 1]

    def of(self, body: Any, **options: Any) -> type[Workflow]:
        """A workflow of one step with this body."""
        meta = type("Meta", (WorkflowMeta,), {"name": "w"})
        return type("W", (Workflow,), {"one": step(**options)(body), "Meta": meta})

    def goes_on(self, execution: Execution) -> None:
        """The step waits for "go"; it runs again without the class, and ends."""
        self.assertStands(execution, "waiting")
        self.lose()
        durable.send_event(execution.id, "go")
        drain()
        self.assertEqual(Execution.objects.get(pk=execution.pk).status, "completed")

    def test_the_result_of_a_child(self) -> None:
        def one(this: Any, data: Any) -> Any:
            answer = this.call_workflow("below")
            this.wait_for_event("go")
            return {"answer": answer}

        execution = run(self.of(one))
        self.goes_on(execution)
        execution.refresh_from_db()
        self.assertEqual(execution.data, {"answer": {"from": "below"}})

    def test_the_failure_of_a_child(self) -> None:
        def one(this: Any, data: Any) -> Any:
            try:
                this.call_workflow("below", {"fail": True})
            except ChildFailed as failed:
                self.seen.append(failed.error["type"])
            this.wait_for_event("go")

        self.goes_on(run(self.of(one)))
        self.assertEqual(self.seen, ["declined", "declined"])

    def test_the_timeout_of_a_child(self) -> None:
        def one(this: Any, data: Any) -> Any:
            self.seen.append(
                this.call_workflow(
                    "below", {"wait": True}, ref="a", timeout=days(1), timeout_value="late"
                )
            )
            try:
                this.call_workflow("below", {"wait": True}, ref="b", timeout=days(1))
            except WaitTimeout:
                self.seen.append("raised")
            this.wait_for_event("go")

        with time_travel():
            execution = run(self.of(one))
            advance(days=2)
            self.goes_on(execution)
        self.assertEqual(self.seen[-2:], ["late", "raised"])

    def test_the_id_of_a_started_child(self) -> None:
        def one(this: Any, data: Any) -> Any:
            self.seen.append(this.start_workflow("below"))
            this.wait_for_event("go")

        self.goes_on(run(self.of(one)))
        self.assertEqual(len(self.seen), 2)
        self.assertEqual(len(set(self.seen)), 1)

    def test_of_an_async_step(self) -> None:
        async def one(this: Any, data: Any) -> Any:
            self.seen.append(await this.astart_workflow("below"))
            self.seen.append(await this.acall_workflow("below", ref="called"))
            await this.await_for_event("go")

        self.goes_on(run(self.of(one)))
        self.assertEqual(len(self.seen), 3 + 2)  # the body ran three times

    def test_of_a_standing_node_in_items(self) -> None:
        class Short(Workflow):
            class Meta(WorkflowMeta):
                name = "short"

            @step
            def one(this: Any, data: Any) -> Any:
                if not Execution.objects.filter(workflow="short", status="pending").exists():
                    self.lose("short")  # with the last of them: all parents are told after that

        class W(Workflow):
            flow = chain(
                foreach("items", call_workflow("short", into="child"), concurrency=3, name="calls")
            )

        execution = run(W, {"items": [1, 2, 3]})
        self.assertEnded(execution, "completed")
        self.assertIsNone(registry.get("short", 1))

    def test_of_a_compensation(self) -> None:
        class W(Workflow):
            @step
            def one(this: Any, data: Any) -> Any:
                pass

            @one.compensate
            def un_one(this: Any, data: Any) -> Any:
                self.seen.append(this.call_workflow("below"))
                this.wait_for_event("go")

            @step
            def two(this: Any, data: Any) -> Any:
                raise durable.Fail("no")

        execution = run(W)
        self.assertEqual(self.seen, [{"from": "below"}])
        self.lose()
        durable.send_event(execution.id, "go")
        drain()
        self.assertEnded(execution, "compensated")
        self.assertEqual(len(self.seen), 2)

    def test_the_answer_to_a_form_that_the_class_has_no_more(self) -> None:
        class W(Workflow):
            forms: ClassVar[Any] = {"contract": ContractForm}

            @step
            def one(this: Any, data: Any) -> Any:
                answer = this.wait_for_form("paper", form="contract")
                this.wait_for_event("go")
                return answer

        execution = run(W)
        durable.provide_input(execution.id, "paper", {"title": "Rent"})
        drain()
        W.forms = {}
        durable.send_event(execution.id, "go")
        drain()
        self.assertEnded(execution, "completed")
        self.assertEqual(execution.data, {"title": "Rent"})

    def test_the_answer_to_a_choice_among_rows_that_have_gone(self) -> None:
        offers = ["a", "b"]

        def one(this: Any, data: Any) -> Any:
            answer = this.wait_for_choice("offer", offers)
            this.wait_for_event("go")
            return {"offer": answer}

        execution = run(self.of(one))
        durable.provide_input(execution.id, "offer", "b")
        drain()
        offers.clear()
        self.goes_on(execution)
        execution.refresh_from_db()
        self.assertEqual(execution.data, {"offer": "b"})

    def test_a_wait_that_is_still_open_goes_on_waiting(self) -> None:
        class W(Workflow):
            forms: ClassVar[Any] = {"contract": ContractForm}

            @step
            def one(this: Any, data: Any) -> Any:
                if data.get("form"):
                    return this.wait_for_form("paper", form="contract")
                return this.call_workflow("below", {"wait": True})

        called, asked = run(W), run(W, {"form": True})
        self.lose()
        W.forms = {}
        for execution in (called, asked):
            with self.subTest(execution.input):
                self.assertStands(execution, "waiting")
                rows = Execution.objects.filter(pk=execution.pk)
                rows.update(status=Status.PENDING, ready_at=clock.now(), wake_at=None)
                drain()
                self.assertStands(execution, "waiting")

    def test_what_is_not_on_record_still_needs_its_class_and_its_form(self) -> None:
        class W(Workflow):
            @step
            def one(this: Any, data: Any) -> Any:
                getattr(this, data["call"])(*data["with"][:1], **data["and"])

        self.lose()
        for call, args, options, error in (
            ("call_workflow", ["below"], {}, "WorkflowNotFound"),
            ("start_workflow", ["below"], {}, "WorkflowNotFound"),
            ("wait_for_form", ["paper"], {"form": "contract"}, "DefinitionError"),
            ("wait_for_input", ["paper"], {"form": "contract"}, "DefinitionError"),
        ):
            with self.subTest(call):
                execution = run(W, {"call": call, "with": args, "and": options})
                self.assertEnded(execution, "failed", error)
