"""Finding executions, and what one says about itself."""

from __future__ import annotations

from uuid import uuid4

from django.db.models import QuerySet

import durable
from durable import Data, Fail, Workflow, WorkflowMeta, step
from durable.models import Execution
from durable.models.execution import Role
from durable.states import Status
from durable.testing import advance, drain, run, time_travel
from tests.cases import WorkflowTestCase
from tests.shop.models import Order


def define() -> tuple[type[Workflow], type[Workflow]]:
    class First(Workflow):
        @step
        def only(self, data: Data) -> Data:
            return {**data, "done": True}

    class Second(Workflow):
        @step
        def ask(self, data: Data) -> Data:
            self.wait_for_text("name")
            self.wait_for_event("go")
            return {"done": True}

    return First, Second


class GetTests(WorkflowTestCase):
    def test_by_uuid_or_its_text(self) -> None:
        execution = durable.start(define()[0])
        for key in (execution.id, str(execution.id), execution.id.hex):
            self.assertEqual(durable.get_execution(key), execution)

    def test_by_the_beginning_of_an_id_if_no_other_begins_so(self) -> None:
        first, *others = [durable.start(define()[0]) for _ in range(4)]
        taken = [str(other.pk) for other in others]
        text = str(first.pk)
        alone = next(n for n in range(8, 37) if not any(t.startswith(text[:n]) for t in taken))
        for beginning in (text[:alone], text[:alone].upper(), text.replace("-", "")[:31], text):
            with self.subTest(beginning):
                self.assertEqual(durable.get_execution(beginning), first)
        with self.assertRaisesRegex(durable.ExecutionNotFound, f"several.*{taken[0]}"):
            durable.get_execution(text[:4])
        for wrong, words in (("01", "too short"), ("ffff", "begins with"), ("012x", "012x")):
            with self.subTest(wrong), self.assertRaisesRegex(durable.ExecutionNotFound, words):
                durable.get_execution(wrong)

    def test_a_branch_is_found_by_its_whole_id_only(self) -> None:
        root = durable.start(define()[0])
        branch = Execution.objects.create(
            workflow="first", kind="first@1", role=Role.BRANCH, parent=root, root_id=root.pk,
            created_at=root.created_at, input={}, data={},
        )  # fmt: skip
        self.assertEqual(durable.get_execution(str(branch.pk)), branch)
        with self.assertRaises(durable.ExecutionNotFound):
            durable.get_execution(str(branch.pk)[:35])

    def test_an_id_that_is_not_there_is_execution_not_found_at_every_door(self) -> None:
        missing = uuid4()
        calls = {
            "get": durable.get_execution,
            "cancel": durable.cancel,
            "send_event": lambda pk: durable.send_event(pk, "go"),
            "provide_input": lambda pk: durable.provide_input(pk, "name", "x"),
            "reassign": lambda pk: durable.reassign(pk, "name", to="user:kim"),
            "pause": durable.pause,
            "resume": durable.resume,
            "retry": durable.retry,
            "rerun": durable.rerun,
        }
        for name, call in calls.items():
            for wrong in (missing, str(missing), "no-id", "", "\0", "x" * 10_000, 7, None, b"\0"):
                with self.subTest(name, wrong=str(wrong)[:40]):
                    with self.assertRaises(durable.ExecutionNotFound) as caught:
                        call(wrong)  # type: ignore[operator]
                    self.assertIn(str(wrong)[:36], str(caught.exception))
                    self.assertLess(len(str(caught.exception)), 200)


class ListTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.first, self.second = define()

    def listed(self, *args: object, **options: object) -> list[Execution]:
        found = durable.list_executions(*args, **options)  # type: ignore[arg-type]
        self.assertIsInstance(found, QuerySet)
        return list(found)

    def test_newest_first(self) -> None:
        started = [durable.start(self.first, {"n": n}) for n in range(5)]
        self.assertEqual(self.listed(), started[::-1])

    def test_by_class_and_by_name(self) -> None:
        one, two = durable.start(self.first), durable.start(self.second)
        self.assertEqual(self.listed(workflow=self.first), [one])
        self.assertEqual(self.listed(workflow="second"), [two])
        self.assertEqual(self.listed(self.second), [two])

    def test_a_workflow_that_is_nowhere_is_refused_and_one_that_has_gone_is_listed(self) -> None:
        gone = durable.start(self.first)
        Execution.objects.filter(pk=gone.pk).update(workflow="earlier", kind="earlier@1")
        self.assertEqual(self.listed(workflow="earlier"), [gone])
        with self.assertRaisesRegex(durable.WorkflowNotFound, "'frist'.*Did you mean 'first'"):
            durable.list_executions("frist")
        for wrong in ("none", "", "\0", 7, int, ["first"]):
            with self.subTest(wrong), self.assertRaises(durable.WorkflowNotFound):
                durable.list_executions(wrong)  # type: ignore[arg-type]

    def test_by_several_statuses(self) -> None:
        one, two = run(self.first), run(self.second)
        durable.start(self.first)
        for several in (["completed", "waiting"], {Status.COMPLETED, Status.WAITING}):
            self.assertEqual(self.listed(status=several), [two, one])
        self.assertEqual(self.listed(status=iter(["waiting"])), [two])
        self.assertEqual(self.listed(status=[]), [])

    def test_by_status(self) -> None:
        one, two = run(self.first), run(self.second)
        self.assertEqual(self.listed(status="completed"), [one])
        self.assertEqual(self.listed(status="waiting"), [two])
        for wrong in ("complete", ["waiting", "complete"]):
            with self.assertRaises(durable.DurableError) as caught:
                durable.list_executions(status=wrong)
            for word in ("'complete'", "Did you mean 'completed'?", "waiting"):
                self.assertIn(word, str(caught.exception))
        for odd in (7, [None], [["waiting"]], b"waiting"):
            with self.subTest(odd), self.assertRaises(durable.DurableError):
                durable.list_executions(status=odd)  # type: ignore[arg-type]

    def test_what_no_row_can_have_is_refused(self) -> None:
        for odd in ({"queue": "\0"}, {"queue": 7}, {"subject": "x"}, {"subject": Order()}):
            with self.subTest(odd), self.assertRaises(durable.DurableError):
                durable.list_executions(**odd)  # type: ignore[arg-type]

    def test_by_queue_and_subject(self) -> None:
        order, other = (Order.objects.create(reference=r) for r in "ab")
        one = durable.start(self.first, queue="fast", subject=order)
        two = durable.start(self.first, subject=other)
        self.assertEqual(self.listed(queue="fast"), [one])
        self.assertEqual(self.listed(subject=other), [two])
        self.assertEqual(self.listed(queue="fast", subject=other), [])

    def test_by_tags_all_of_them(self) -> None:
        one = durable.start(self.first, tags={"tenant": "acme", "n": 1})
        two = durable.start(self.first, tags={"tenant": "acme", "n": 2})
        durable.start(self.first)
        self.assertEqual(self.listed(tags={"tenant": "acme"}), [two, one])
        self.assertEqual(self.listed(tags={"tenant": "acme", "n": 1}), [one])
        self.assertEqual(self.listed(tags={"tenant": "ac"}), [])
        self.assertEqual(self.listed(tags={"other": None}), [])

    def test_a_tag_s_name_is_never_a_lookup(self) -> None:
        odd = {
            "a__b": 1, "tenant__contains": "x", "isnull": True, "exact": 2, "a b": 3, "a'b": 4,
            'a"b': 5, "%s": 6, "ä": 7, "": 8, "0": 9, "a.b": 10,
        }  # fmt: skip
        one = durable.start(self.first, tags={**odd, "tenant": "xy"})
        durable.start(self.first, tags={"tenant": "xy"})
        for name, value in odd.items():
            with self.subTest(name):
                self.assertEqual(self.listed(tags={name: value}), [one])
                self.assertEqual(self.listed(tags={name: "other"}), [])

    def test_tags_that_can_t_be_stored_are_refused_not_searched(self) -> None:
        for bad in ({"a\0": 1}, {"a": "\0"}, {"a": "\ud800"}, {"a": object()}):
            with self.assertRaises(durable.DurableError):
                self.listed(tags=bad)

    def test_a_queryset_can_be_filtered_further_and_counted(self) -> None:
        durable.start_many(self.first, [{}] * 3)
        found = durable.list_executions(workflow=self.first)
        self.assertEqual(found.filter(status="pending").count(), 3)
        self.assertEqual(len(found[:2]), 2)

    def test_branches_and_items_are_not_listed_children_are(self) -> None:
        root = durable.start(self.first)
        for role in (Role.BRANCH, Role.ITEM, Role.CHILD):
            Execution.objects.create(
                workflow="first", kind="first@1", role=role, parent=root, root_id=root.pk,
                created_at=root.created_at, input={}, data={},
            )  # fmt: skip
        roles = {execution.role for execution in durable.list_executions()}
        self.assertEqual(roles, {"root", "child"})


class AttributeTests(WorkflowTestCase):
    """execution.steps, .waits, .events, … say what is on record."""

    def test_of_a_run_that_completes(self) -> None:
        first, second = define()
        execution = run(first, {"n": 1})
        self.assertEqual(execution.status, "completed")
        self.assertEqual(execution.result, {"n": 1, "done": True})
        self.assertEqual(execution.data, execution.result)
        self.assertIsNone(execution.error)
        self.assertIsNone(execution.progress)
        self.assertIsNone(execution.parent)
        self.assertEqual(list(execution.children.all()), [])
        self.assertEqual(list(execution.compensations), [])
        (only,) = execution.steps
        self.assertEqual((only.name, only.status, only.attempt), ("only", "completed", 1))
        self.assertEqual((only.input, only.output), ({"n": 1}, {"n": 1, "done": True}))
        self.assertLessEqual(only.started_at, only.ended_at)

        waiting = run(second)
        durable.send_event(waiting.id, "go", {"x": 1})
        (wait,) = waiting.waits.all()
        self.assertEqual((wait.kind, wait.name, wait.status), ("input", "name", "open"))
        (event,) = waiting.events.all()
        self.assertEqual((event.name, event.payload), ("go", {"x": 1}))
        self.assertIsNone(waiting.result)
        durable.provide_input(waiting.id, "name", "kim")
        drain()
        waiting.refresh_from_db()
        self.assertEqual(waiting.status, "completed")
        self.assertEqual([wait.status for wait in waiting.waits.all()], ["answered"] * 2)
        self.assertEqual([event.status for event in waiting.events.all()], ["consumed"])

    def test_the_error_has_six_parts(self) -> None:
        class Failing(Workflow):
            class Meta(WorkflowMeta):
                retry = 2

            @step
            def charge(self, data: Data) -> None:
                if self.attempt == 2:
                    raise Fail("no funds", type="card_declined", details={"code": 51})
                raise ValueError("first")

        with time_travel():
            execution = run(Failing)
            advance(minutes=1)
        execution.refresh_from_db()
        error = execution.error
        self.assertEqual(set(error), {"type", "message", "step", "attempt", "traceback", "details"})
        self.assertEqual((error["type"], error["message"]), ("card_declined", "no funds"))
        self.assertEqual((error["step"], error["attempt"]), ("charge", 2))
        self.assertEqual(error["details"], {"code": 51})
        self.assertIn("raise Fail", error["traceback"])
        self.assertIsNone(execution.result)

    def test_progress_is_what_the_step_last_said(self) -> None:
        class Long(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> None:
                self.heartbeat(progress={"done": 1, "of": 2})
                self.heartbeat(progress={"done": 2, "of": 2})

        self.assertEqual(run(Long).progress, {"done": 2, "of": 2})
