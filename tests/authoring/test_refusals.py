"""The same check guards every door: the caller gets the error, and nothing is stored."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection

import durable
from durable import NotSerializable, Workflow, days, step
from durable.models import AuditEntry, Event, Execution, Wait
from durable.testing import assert_completed, assert_waiting_for, drain, run, time_travel
from tests.cases import WorkflowTestCase

LOOP: list[Any] = []
LOOP.append(LOOP)

BAD: list[Any] = [object(), float("nan"), "\0", "\ud800", {1: 2}, {"a": [b"", ...]}, LOOP]


class Echo(Workflow):
    class Meta:
        abstract = True

    @step
    def one(self, data):
        return data


class DoorTests(WorkflowTestCase):
    def test_a_start_input_that_cant_be_stored_leaves_nothing(self) -> None:
        class P(Echo):
            pass

        for bad in BAD:
            with self.subTest(bad=repr(bad)):
                with self.assertRaisesRegex(NotSerializable, r'input\["v"\]'):
                    durable.start(P, {"v": bad}, keys=["k"])
                with self.assertRaisesRegex(NotSerializable, r'inputs\[1\]\["v"\]'):
                    durable.start_many(P, [{}, {"v": bad}])
        for bad in ([], "text", 5):
            with self.assertRaises(NotSerializable):
                durable.start(P, bad)  # type: ignore[arg-type]
        self.assertFalse(Execution.objects.exists())

    def test_a_model_instance_as_input_is_refused_by_name(self) -> None:
        class P(Echo):
            pass

        with self.assertRaisesRegex(NotSerializable, r'input\["user"\].*User.*primary key'):
            durable.start(P, {"user": User(pk=1)})

    def test_a_payload_that_cant_be_stored_is_not_sent(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": self.wait_for_event("go")}

        execution = run(P)
        for bad in BAD:
            with self.subTest(bad=repr(bad)):
                with self.assertRaisesRegex(NotSerializable, "payload"):
                    durable.send_event(execution.id, "go", bad)
                with self.assertRaisesRegex(NotSerializable, "payload"):
                    durable.publish_event("go", bad, key="k")
        self.assertFalse(Event.objects.exists())
        drain()
        assert_waiting_for(execution, event="go")

    def test_an_answer_that_cant_be_stored_is_not_taken(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": self.wait_for_text("name")}

        execution = run(P)
        audited = AuditEntry.objects.count()
        for bad in BAD:
            with self.subTest(bad=repr(bad)), self.assertRaises(durable.DurableError):
                durable.provide_input(execution.id, "name", bad)
        for comment in ("\0", "\ud800"):
            with self.assertRaises(durable.DurableError):
                durable.provide_input(execution.id, "name", "fine", comment=comment)
        self.assertEqual(AuditEntry.objects.count(), audited)
        self.assertEqual(Wait.objects.get().status, "open")
        durable.provide_input(execution.id, "name", "fine")
        drain()
        assert_completed(execution)

    def test_a_timeout_value_that_cant_be_stored_fails_the_step_and_opens_no_wait(self) -> None:
        for bad in BAD:
            with self.subTest(bad=repr(bad)):

                class P(Workflow):
                    @step(retry=3)
                    def one(self, data, bad=bad):
                        self.wait_for_event("go", timeout=days(1), timeout_value=bad)

                execution = run(P)
                self.assertFailed(execution, "NotSerializable", "timeout_value")
                self.assertEqual(execution.steps.count(), 1)
        self.assertFalse(Wait.objects.exists())

    def test_a_result_of_run_that_cant_be_stored_fails_the_step(self) -> None:
        class P(Workflow):
            @step(atomic=False, retry=3)
            def one(self, data):
                self.run(lambda: [object()], name="fetch")

        execution = run(P)
        self.assertFailed(execution, "NotSerializable", "run('fetch')[0]")
        self.assertFalse(execution.records.exists())

    def test_tags_must_be_json(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.set_tags(**data)

        for bad in (object(), "\0", float("nan"), date(2025, 1, 1), timedelta(1), b"", {1, 2}):
            with self.subTest(bad=repr(bad)):
                with self.assertRaisesRegex(NotSerializable, r'tags\["v"\]'):
                    durable.start(P, {}, tags={"v": bad})

                class Q(Workflow):
                    @step(retry=3)
                    def one(self, data, bad=bad):
                        self.set_tags(v=bad)

                execution = run(Q)
                self.assertFailed(execution, "NotSerializable", 'tags["v"]')
                self.assertEqual(execution.tags, {})
                self.assertEqual(execution.steps.count(), 1)
        self.assertFalse(Execution.objects.filter(workflow="p").exists())

    def test_progress_that_cant_be_stored_fails_the_step(self) -> None:
        class P(Workflow):
            @step(retry=3)
            def one(self, data):
                self.heartbeat(progress={"at": object()})

        execution = run(P)
        self.assertFailed(execution, "NotSerializable", 'progress["at"]')
        self.assertIsNone(execution.progress)

    def test_keys_and_names_that_no_database_takes_are_refused(self) -> None:
        class P(Echo):
            pass

        for bad in ("\0", "\ud800", "", "k" * 256, 5, None):
            with self.subTest(bad=repr(bad)), self.assertRaises(durable.DurableError):
                durable.start(P, {}, keys=[bad])  # type: ignore[list-item]
        for bad in ("\0", "\ud800", "", "k" * 256, 5):
            with self.subTest(bad=repr(bad)), self.assertRaises(durable.DurableError):
                durable.publish_event(bad, {})  # type: ignore[arg-type]
            with self.subTest(bad=repr(bad)), self.assertRaises(durable.DurableError):
                durable.publish_event("go", {}, key=bad)  # type: ignore[arg-type]
            with self.subTest(bad=repr(bad)), self.assertRaises(durable.DurableError):
                durable.publish_event("go", {}, event_id=bad)  # type: ignore[arg-type]
        self.assertFalse(Execution.objects.exists())
        self.assertFalse(Event.objects.exists())
        self.assertFalse(connection.needs_rollback)

    def test_a_wait_whose_name_no_database_takes_fails_the_step_and_nothing_else(self) -> None:
        for bad in ("\0", "\ud800", "n" * 256):
            calls: dict[str, Any] = {
                "event": lambda self, bad=bad: self.wait_for_event(bad),
                "key": lambda self, bad=bad: self.wait_for_event("go", key=bad),
                "any": lambda self, bad=bad: self.wait_for_any(["a", bad]),
                "text": lambda self, bad=bad: self.wait_for_text(bad),
                "run": lambda self, bad=bad: self.run(lambda: 1, name=bad),
                "prompt": lambda self: self.wait_for_text("name", prompt="\0"),
                "people": lambda self: self.wait_for_text("name", assignees=["user:\0"]),
            }
            for what, call in calls.items():
                with self.subTest(what, bad=repr(bad[:3])), time_travel():

                    class P(Workflow):
                        @step(atomic=False)
                        def one(self, data, call=call):
                            call(self)

                    execution = run(P)
                    self.assertEqual(execution.status, "failed", what)
        self.assertFalse(Wait.objects.exists())

    def test_many_names_are_one_wait(self) -> None:
        names = [f"{letter}" * 200 for letter in "abcd"]

        class P(Workflow):
            @step
            def one(self, data):
                return {"got": self.wait_for_any(names)[0]}

            @step
            def two(self, data):
                return {"got": sorted(self.wait_for_all(names))}

        execution = run(P)
        for name in (names[2], *names):
            durable.send_event(execution.id, name)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": names})
