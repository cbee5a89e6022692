"""Inside a step ``self`` is the running execution; nothing can be kept on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import durable
from durable import NotInExecution, Retry, Workflow, WorkflowMeta, branch, chain, hours, minutes
from durable import clock, seconds, step
from durable.models import Execution
from durable.testing import advance, assert_completed, drain, run, time_travel
from tests.engine.cases import EngineTestCase
from tests.shop.models import Order


def helper() -> Any:
    """Code far from any step."""
    return durable.current()


class FactsTests(EngineTestCase):
    def seen(self, read: Any, input: Any = None, **options: Any) -> Any:
        found: list[Any] = []

        class P(Workflow):
            @step
            def one(self, data):
                found.append(read(self))

        execution = run(P, input, **options)
        assert_completed(execution)
        self.execution = execution
        return found[0]

    def test_id_and_branch_id_are_those_of_the_execution(self) -> None:
        found = self.seen(lambda step: (step.id, step.branch_id))
        self.assertEqual(found, (self.execution.id, self.execution.id))
        self.assertIsInstance(found[0], UUID)

    def test_execution_is_the_row_and_lazy(self) -> None:
        found = self.seen(lambda step: step.execution, tags={"tenant": "acme"})
        self.assertIsInstance(found, Execution)
        self.assertEqual(found, self.execution)
        self.assertEqual(found.tags, {"tenant": "acme"})
        queries: list[int] = []

        class P(Workflow):
            @step
            def one(self, data):
                with outer.assertNumQueries(0):
                    row = self.execution
                with outer.assertNumQueries(1):
                    queries.append(row.fence)

        outer = self
        assert_completed(run(P))
        self.assertEqual(queries, [1])

    def test_subject_is_the_instance_that_the_execution_is_about(self) -> None:
        order = Order.objects.create(reference="a")
        self.assertEqual(self.seen(lambda step: step.subject, subject=order), order)
        self.assertIsNone(self.seen(lambda step: step.subject))

    def test_input_is_the_start_input_in_each_step(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.input["changed"] = True
                data["changed"] = True

            @step
            def two(self, data):
                return {"input": self.input}

        self.assertEqual(run(P, {"n": 1}).result, {"input": {"n": 1}})

    def test_what_a_step_does_to_its_input_stays_with_what_it_got(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.input["changed"] = True
                return {"input": self.input}

        self.assertEqual(run(P, {"n": 1}).result, {"input": {"n": 1}})

    def test_attempt_is_one_based_and_starts_anew_after_an_operators_retry(self) -> None:
        found: list[int] = []

        class P(Workflow):
            @step(retry=Retry(2, base=seconds(0)))
            def one(self, data):
                found.append(self.attempt)
                if len(found) < 4:
                    raise ValueError

        execution = run(P)
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(found, [1, 2, 1, 2])

    def test_now_is_the_engines_clock(self) -> None:
        with time_travel() as _:
            self.assertEqual(self.seen(lambda step: step.now()), clock.frozen_at())
        before = clock.read("default")
        found = self.seen(lambda step: step.now())
        self.assertLessEqual(abs(found - before), timedelta(seconds=30))
        self.assertIsNotNone(found.tzinfo)

    def test_error_is_none_outside_a_compensation(self) -> None:
        self.assertIsNone(self.seen(lambda step: step.error))

    def test_log_is_a_logger(self) -> None:
        self.assertEqual(self.seen(lambda step: step.log).__class__.__name__, "Logger")

    @time_travel()
    def test_deadline_is_when_the_time_of_this_attempt_is_over(self) -> None:
        found: list[Any] = []

        class P(Workflow):
            class Meta(WorkflowMeta):
                timeout = hours(2)

            @step
            def one(self, data):
                found.append(self.deadline - self.now())
                self.sleep(minutes(60))

            @step(timeout=minutes(5))
            def two(self, data):
                found.append(self.deadline - self.now())

            @step(timeout=hours(3))
            def three(self, data):
                found.append(self.deadline - self.now())

        class Q(Workflow):
            @step
            def one(self, data):
                found.append(self.deadline)

        execution = run(P)
        advance(minutes=60)
        assert_completed(execution)
        run(Q)
        wanted = [minutes(120), minutes(60), minutes(5), minutes(60), None]
        self.assertEqual(found, wanted)

    def test_cancel_requested_tells_a_long_step_to_stop(self) -> None:
        found: list[bool] = []

        class P(Workflow):
            @step(atomic=False)
            def one(self, data):
                found.append(self.cancel_requested)
                durable.cancel(self.id, "enough")
                found.append(self.cancel_requested)
                return {"stopped": True}

            @step
            def two(self, data):
                raise AssertionError("no further step starts")

        execution = run(P)
        self.assertEqual(found, [False, True])
        self.assertEqual((execution.status, execution.data), ("cancelled", {"stopped": True}))
        self.assertEqual(execution.steps.get().status, "completed")

    def test_a_failure_after_a_request_to_cancel_ends_cancelled(self) -> None:
        class P(Workflow):
            @step(atomic=False, retry=5)
            def one(self, data):
                durable.cancel(self.id, "enough")
                raise ValueError

        execution = run(P)
        self.assertEqual(execution.status, "cancelled")

    def test_a_wait_after_a_request_to_cancel_ends_cancelled(self) -> None:
        class P(Workflow):
            @step(atomic=False)
            def one(self, data):
                durable.cancel(self.id, "enough")
                self.sleep(hours(1))

        execution = run(P)
        self.assertEqual(execution.status, "cancelled")
        self.assertFalse(execution.waits.filter(status="open").exists())


class AssignmentTests(EngineTestCase):
    def test_attributes_cant_be_assigned(self) -> None:
        for name in ("total", "input", "attempt", "id", "_context", "one"):

            class P(Workflow):
                @step
                def one(self, data, name=name):
                    setattr(self, name, 1)

            with self.subTest(name):
                error = self.assertFailed(run(P), "AttributeError")
                self.assertIn(name, error["message"])

    def test_nor_deleted(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                del self._context

        self.assertFailed(run(P), "AttributeError")


class CurrentTests(EngineTestCase):
    def test_current_is_the_running_self_for_code_far_away_and_none_outside(self) -> None:
        found: list[Any] = []

        class P(Workflow):
            @step
            def one(self, data):
                found.append(helper() is self)
                return {"id": str(helper().id)}

        self.assertIsNone(helper())
        execution = run(P)
        self.assertEqual(found, [True])
        self.assertEqual(execution.result, {"id": str(execution.id)})
        self.assertIsNone(helper())

    def test_a_wait_can_be_asked_for_through_it(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": helper().wait_for_event("go")}

        execution = run(P)
        self.assertIsNone(helper())
        durable.send_event(execution.id, "go", 5)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": 5})


class PlainCallTests(EngineTestCase):
    def test_calling_a_step_from_a_step_is_a_plain_method_call(self) -> None:
        class P(Workflow):
            @step(retry=5)
            def one(self, data):
                got = self.two([1, 2])  # no data, no record, no retry of its own
                return {"got": got, "attempt": self.attempt}

            @step(retry=5)
            def two(self, data):
                return sum(data)

            flow = chain(one, branch(on="never", cases={1: two}))

        execution = run(P)
        self.assertEqual(execution.result, {"got": 3, "attempt": 1})
        self.assertEqual([row.path for row in execution.steps], ["one"])

    def test_on_a_bare_instance_steps_are_plain_too_and_the_rest_needs_an_execution(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {**data, "one": 1}

        self.assertEqual(P().one({}), {"one": 1})
        for name in ("id", "input", "attempt", "execution", "idempotency_key", "deadline"):
            with self.assertRaisesRegex(NotInExecution, name):
                getattr(P(), name)


class WritingTests(EngineTestCase):
    def test_progress_is_shown_and_the_last_one_counts(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.heartbeat(progress=1)
                self.heartbeat(progress={"done": 2, "of": 3})
                self.heartbeat()

        self.assertEqual(run(P).progress, {"done": 2, "of": 3})

    def test_progress_and_tags_are_kept_when_the_step_waits_or_fails(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.heartbeat(progress="asking")
                self.set_tags(state="asking")
                self.wait_for_event("go")
                self.heartbeat(progress="failing")
                self.set_tags(state="failing")
                raise ValueError

        execution = run(P, tags={"tenant": "acme"})
        self.assertEqual(execution.progress, "asking")
        self.assertEqual(execution.tags, {"tenant": "acme", "state": "asking"})
        durable.send_event(execution.id, "go")
        drain()
        self.assertFailed(execution, "ValueError")
        self.assertEqual(execution.progress, "failing")
        self.assertEqual(execution.tags, {"tenant": "acme", "state": "failing"})

    def test_tags_find_the_execution(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.set_tags(tenant=data["tenant"], big=True)
                self.set_tags(again=None)

        found = [run(P, {"tenant": name}) for name in ("a", "b")]
        self.assertEqual(list(durable.list_executions(tags={"tenant": "b", "big": True})), found[1:])
