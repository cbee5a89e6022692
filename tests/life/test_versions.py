"""Versions live side by side; an execution that no code fits is blocked, never lost."""

from __future__ import annotations

from typing import Any

import durable
from durable import Workflow, WorkflowMeta, WorkflowNotFound, chain, days, hours, step
from durable.engine.duties import workers
from durable.models import Execution
from durable.testing import advance, assert_completed, drain, isolate_workflows, run, time_travel
from tests.cases import WorkflowTestCase
from tests.life.cases import a_worker


def deploy(number: int) -> type[Workflow]:
    """A version of the workflow ``shipping``; which one it is shows in the data."""

    class Shipping(Workflow):
        class Meta(WorkflowMeta):
            version = number

        @step
        def wait(self, data):
            return {"wait": number, "got": self.wait_for_event("go")}

        @step
        def ship(self, data):
            return {**data, "ship": number}

    return Shipping


class VersionTests(WorkflowTestCase):
    def finish(self, execution: Execution) -> Any:
        durable.send_event(execution.id, "go", 1)
        drain()
        assert_completed(execution)
        return execution.result

    def test_new_executions_take_the_highest_and_running_ones_stay_on_theirs(self) -> None:
        deploy(1)
        old = run("shipping")
        deploy(3)
        deploy(2)
        new = run("shipping")
        self.assertEqual((old.version, new.version), (1, 3))
        self.assertEqual(self.finish(new), {"wait": 3, "got": 1, "ship": 3})
        self.assertEqual(self.finish(old), {"wait": 1, "got": 1, "ship": 1})

    def test_within_a_version_the_next_step_runs_the_new_code(self) -> None:
        def deploy(text: str) -> type[Workflow]:
            class P(Workflow):
                @step
                def wait(self, data):
                    self.wait_for_event("go")

                @step
                def ship(self, data):
                    return {"ship": text}

            return P

        execution = run(deploy("old"))
        deploy("new")
        self.assertEqual(self.finish(execution), {"ship": "new"})

    def test_steps_may_be_put_around_the_one_that_waits(self) -> None:
        def deploy(*names: str) -> type[Workflow]:
            class P(Workflow):
                @step
                def a(self, data):
                    return {"trace": [*data.get("trace", []), "a"]}

                @step
                def wait(self, data):
                    self.wait_for_event("go")

                @step
                def b(self, data):
                    return {"trace": [*data.get("trace", []), "b"]}

                flow = chain(*names)

            return P

        execution = run(deploy("a", "wait"))
        deploy("wait", "b", "a")
        self.assertEqual(self.finish(execution), {"trace": ["a", "b", "a"]})


class VanishedTests(WorkflowTestCase):
    def deploy(self, *names: str) -> type[Workflow]:
        class P(Workflow):
            @step
            def a(self, data):
                self.wait_for_event("go")
                return {"a": True}

            @step
            def b(self, data):
                return {**data, "b": True}

            flow = chain(*names)

        return P

    def blocked(self) -> Execution:
        execution = run(self.deploy("a", "b"))
        self.deploy("b")
        durable.send_event(execution.id, "go")
        drain()
        return execution

    def test_a_path_that_vanished_makes_it_blocked_and_visible(self) -> None:
        execution = self.blocked()
        self.assertBlocked(execution, "PositionLost", "'a'", "p@1", "retry(id)")
        self.assertEqual(list(durable.list_executions(status="blocked")), [execution])
        self.assertIsNone(execution.finished_at)
        self.assertIsNone(execution.worker)

    def test_it_goes_on_where_it_stood_when_the_path_is_back(self) -> None:
        execution = self.blocked()
        drain()
        self.assertBlocked(execution, "PositionLost")
        self.deploy("a", "b")
        durable.retry(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"a": True, "b": True})

    def test_or_when_a_worker_that_has_it_starts(self) -> None:
        execution = self.blocked()
        self.deploy("a", "b")
        a_worker()
        drain()
        assert_completed(execution)


class UnknownTests(WorkflowTestCase):
    def test_what_no_worker_has_is_blocked_and_taken_up_by_one_that_has_it(self) -> None:
        with isolate_workflows():
            execution = durable.start(deploy(2))
        deploy(1)
        drain()
        self.assertBlocked(execution, "NoWorker", "workflow and version")
        self.assertEqual(execution.attempt, 1)
        deploy(2)
        drain()
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.error), ("waiting", None))
        durable.send_event(execution.id, "go")
        drain()
        assert_completed(execution)

    def test_a_sleeper_is_blocked_only_when_it_is_due(self) -> None:
        with time_travel():
            with isolate_workflows():

                class P(Workflow):
                    @step
                    def one(self, data):
                        self.sleep(hours(1))

                execution = run(P)
            drain()
            execution.refresh_from_db()
            self.assertEqual(execution.status, "waiting")
            advance(hours=1)
            self.assertBlocked(execution, "NoWorker")

    def test_while_another_live_worker_has_it_it_is_left_to_that(self) -> None:
        with isolate_workflows():
            workflow = deploy(2)
            execution = durable.start(workflow)
            kinds = [workflow.definition.kind]
        with time_travel():
            workers.register("other", ["default"], kinds, hours(1), listening=False)
            drain()
            execution.refresh_from_db()
            self.assertEqual(execution.status, "pending")
            advance(hours=2)
            self.assertBlocked(execution, "NoWorker")

    def test_an_unknown_name_cant_be_started(self) -> None:
        with self.assertRaisesRegex(WorkflowNotFound, "shiping"):
            durable.start("shiping")

    def test_events_for_a_blocked_execution_are_kept(self) -> None:
        with isolate_workflows():
            execution = durable.start(deploy(1))
        drain()
        durable.send_event(execution.id, "go", 7)
        drain()
        self.assertBlocked(execution, "NoWorker")
        deploy(1)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result["got"], 7)

    def test_a_deadline_that_passes_while_blocked_takes_effect_when_it_goes_on(self) -> None:
        with time_travel():
            with isolate_workflows():

                class P(Workflow):
                    class Meta(WorkflowMeta):
                        timeout = days(1)

                    @step
                    def one(self, data):
                        pass

                execution = durable.start(P)
            drain()
            advance(days=2)
            self.assertBlocked(execution, "NoWorker")

            class P(Workflow):  # type: ignore[no-redef]
                class Meta(WorkflowMeta):
                    timeout = days(1)

                @step
                def one(self, data):
                    pass

            drain()
            self.assertFailed(execution, "WorkflowTimeout")
