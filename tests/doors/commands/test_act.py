"""The commands that act: on executions, events, questions, schedules and queues."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.core.management import CommandError

import durable
from durable import Cron, Workflow, step
from durable.models import AuditEntry, Event, Execution, Firing, Queue, Schedule, Wait
from durable.testing import drain, run, time_travel
from tests.calendar.cases import scheduled
from tests.doors.commands.cases import (
    CommandTestCase,
    Data,
    a_user,
    asking,
    failing,
    listening,
    quick,
    two_ask,
)

NOON = datetime(2030, 5, 6, 12, tzinfo=UTC)


class ExecutionTests(CommandTestCase):
    """cancel, pause, resume, retry, rerun."""

    def test_cancel_with_a_reason(self) -> None:
        execution = run(asking())
        said = self.call("cancel", execution.pk, "--reason", "not needed")
        self.assertEqual(said, f"{execution.pk} asking cancelled: cancelled\n")
        execution.refresh_from_db()
        self.assertEqual((execution.status, execution.cancel_reason), ("cancelled", "not needed"))

    def test_cancel_and_undo(self) -> None:
        class Undoing(Workflow):
            @step
            def book(self, data: Data) -> Data:
                return {**data, "booked": True}

            @book.compensate
            def undo(self, data: Data) -> None:
                return None

            @step
            def wait(self, data: Data) -> None:
                self.wait_for_event("never")

        execution = run(Undoing)
        self.assertEqual(
            self.json("cancel", execution.pk, "--compensate")["results"][0]["ok"], True
        )
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "compensated")

    def test_several_at_once_each_by_itself(self) -> None:
        first, second = run(asking()), run("asking")
        done = run(quick())
        self.refused("1 of 1 refused", "cancel", done.pk)
        with self.assertRaises(CommandError) as caught:
            self.call("cancel", first.pk, done.pk, second.pk, first.pk, "--json")
        self.assertIn("1 of 3 refused", str(caught.exception))
        results = json.loads(self.answered)["results"]
        self.assertEqual([one["ok"] for one in results], [True, False, True])
        self.assertIn("it is completed", results[1]["error"])
        self.assertEqual(set(results[0]), {"id", "workflow", "status", "ok", "error"})
        self.assertEqual(Execution.objects.filter(status="cancelled").count(), 2)
        self.assertEqual(AuditEntry.objects.count(), 2)

    def test_pause_and_resume(self) -> None:
        execution = durable.start(quick())
        self.assertIn("paused: paused", self.call("pause", execution.pk))
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "paused")
        self.assertIn("resumed: pending", self.call("resume", execution.pk))
        self.assertEqual([self.audited("pause").actor, self.audited("resume").actor], [None, None])
        self.refused("1 of 1 refused", "resume", execution.pk)
        self.assertIn("it is not paused", self.errors)

    def test_retry_goes_on_at_the_step(self) -> None:
        cls: Any = failing()
        execution = run(cls)
        cls.broken = False
        self.assertIn("retried: pending", self.call("retry", execution.pk))
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "completed", execution.error)
        self.assertEqual(list(execution.steps.values_list("attempt", flat=True)), [1, 1, 2])
        self.assertEqual(self.audited("retry").after["restart_step"], False)
        self.refused("1 of 1 refused", "retry", execution.pk)

    def test_retry_may_forget_what_the_step_has_on_record(self) -> None:
        execution = run(failing())
        self.call("retry", execution.pk, "--restart-step")
        self.assertEqual(self.audited("retry").after["restart_step"], True)

    def test_rerun_from_the_start_and_from_a_step(self) -> None:
        old = run(quick(), {"n": 1})
        pk = self.call("rerun", old.pk).strip()
        new = Execution.objects.get(pk=pk)
        self.assertEqual((new.rerun_of, new.input), (old, {"n": 1}))
        said = self.json("rerun", old.pk, "--from-step", "one")
        self.assertEqual((said["step"], said["rerun_of"]), ("one", str(old.pk)))
        self.assertEqual(set(said), {"id", "workflow", "status", "step", "rerun_of"})
        self.refused("no recorded step 'two'", "rerun", old.pk, "--from-step", "two")
        self.refused("only a finished one is rerun", "rerun", run(asking()).pk)
        self.assertEqual(AuditEntry.objects.filter(action="rerun").count(), 2)


class EventTests(CommandTestCase):
    """send_event, publish_event."""

    def test_an_event_reaches_its_execution(self) -> None:
        execution = run(listening())
        said = self.call("send_event", execution.pk, "go", '{"paid": true}')
        self.assertEqual(said.strip(), str(Event.objects.get().pk))
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.result, {"heard": {"paid": True}})
        entry = self.audited("send_event")
        self.assertEqual((entry.target, entry.after), ("go", {"paid": True}))

    def test_sent_again_with_the_same_id_it_is_the_first(self) -> None:
        execution = run(listening())
        first = self.json("send_event", execution.pk, "go", "1", "--event-id", "e")
        again = self.json("send_event", execution.pk, "go", "--event-id", "e", "1")
        self.assertEqual((first["created"], again["created"]), (True, False))
        self.assertEqual(first["id"], again["id"])
        self.assertEqual(set(first), {"id", "execution", "name", "event_id", "created"})
        self.assertEqual(AuditEntry.objects.count(), 1)
        self.refused("used before", "send_event", execution.pk, "go", "2", "--event-id", "e")

    def test_what_is_refused_leaves_nothing_behind(self) -> None:
        execution = run(listening())
        done = run(quick())
        for words, *args in (
            ("the payload is not JSON", execution.pk, "go", "text"),
            ("the payload is not JSON", execution.pk, "go", ""),
            ("can't be stored", execution.pk, "go", "[NaN]"),
            ("an event's name is", execution.pk, ""),
            ("an event's name is", execution.pk, "x" * 256),
            ("event_id is", execution.pk, "go", "--event-id", ""),
            ("it is completed", done.pk, "go"),
        ):
            with self.subTest(words):
                self.refused(words, "send_event", *args)

    def test_a_published_event_reaches_whoever_carries_its_key(self) -> None:
        execution = durable.start(listening(), keys=["order:1"])
        said = self.json("publish_event", "go", '"x"', "--key", "order:1", "--event-id", "e")
        self.assertEqual(set(said), {"id", "name", "key", "event_id", "created"})
        self.call("publish_event", "go", '"x"', "--key", "order:1", "--event-id", "e")
        self.assertIn("published before", self.errors)
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.result, {"heard": "x"})
        self.assertEqual(self.audited("publish_event").target, "go order:1")
        self.refused("the payload is not JSON", "publish_event", "go", "{")
        self.refused("key is", "publish_event", "go", "--key", "")

    def test_a_person_needs_the_permission(self) -> None:
        execution = run(listening())
        a_user("kim", "view_execution", "send_event")
        self.call("send_event", execution.pk, "go", "--by", "kim")
        self.call("publish_event", "go", "--by", "kim")
        names = AuditEntry.objects.values_list("actor_name", flat=True)
        self.assertEqual(list(names), ["kim", "kim"])


class InputTests(CommandTestCase):
    """provide_input: what people are asked."""

    def asked(self, **question: Any) -> Execution:
        class Question(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"answer": self.wait_for_input("q", **question)}

        return run(Question)

    def answered_with(self, execution: Execution) -> Any:
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "completed", execution.error)
        return execution.result["answer"]

    def test_an_approval_with_a_comment(self) -> None:
        execution = run(asking())
        said = self.json("provide_input", execution.pk, "manager", "approved", "--comment", "ok")
        self.assertEqual(set(said), {"id", "workflow", "status", "name"})
        wait = Wait.objects.get()
        self.assertEqual((wait.answer, wait.comment, wait.by), ("approved", "ok", None))
        self.assertEqual(self.audited("provide_input").target, "manager")
        self.refused("already approved", "provide_input", execution.pk, "manager", "rejected")

    def test_json_and_text(self) -> None:
        number = self.asked(type="number")
        self.call("provide_input", number.pk, "q", "12.5")
        self.assertEqual(str(self.answered_with(number)), "12.5")
        text = self.asked(type="text")
        self.call("provide_input", text.pk, "q", "--text", "12")
        self.assertEqual(self.answered_with(text), "12")
        form = self.asked(
            type="form",
            fields=[{"name": "amount", "type": "number"}, {"name": "why", "type": "text"}],
        )
        self.call("provide_input", form.pk, "q", '{"amount": 3, "why": "so"}')
        self.assertEqual(self.answered_with(form)["why"], "so")

    def test_what_does_not_fit_is_refused_with_messages(self) -> None:
        form = self.asked(type="form", fields=[{"name": "amount", "type": "number"}])
        self.refused("amount: Enter a number", "provide_input", form.pk, "q", '{"amount": "x"}')
        self.refused("an object", "provide_input", form.pk, "q", "approved")
        self.refused("no input named 'other' (open: 'q')", "provide_input", form.pk, "other", "1")

    def test_one_of_several_is_chosen_by_its_branch(self) -> None:
        execution = run(two_ask())
        error = self.refused("say which", "provide_input", execution.pk, "ok", "approved")
        part = Execution.objects.filter(parent=execution).order_by("pk").first()
        assert part is not None
        self.assertIn(str(part.pk), str(error))
        args = (execution.pk, "ok", "approved", "--branch")
        self.call("provide_input", *args, part.pk)
        self.assertEqual(Wait.objects.open().count(), 1)
        stranger = run(asking())
        self.refused("there is no execution", "provide_input", *args, stranger.pk)

    def test_a_person_answers_what_they_are_asked_and_nothing_else(self) -> None:
        class Named(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"ok": self.wait_for_approval("ok", assignees="user:ann")}

        execution, free = run(Named), run(asking())
        ann = a_user("ann")
        a_user("kim", "approve", "view_execution")
        a_user("viewer", "view_execution")
        args = (execution.pk, "ok", "approved", "--by")
        self.refused("it is for user:ann", "provide_input", *args, "kim")
        self.call("provide_input", *args, "ann")
        self.assertEqual(Wait.objects.get(name="ok").by, ann)
        self.assertEqual(self.audited("provide_input").actor, ann)
        other = (free.pk, "manager", "approved", "--by")
        self.refused("there is no execution", "provide_input", *other, "ann")
        self.refused("durable.approve", "provide_input", *other, "viewer")
        self.call("provide_input", *other, "kim")


@time_travel(NOON)
class ScheduleTests(CommandTestCase):
    """schedules: list, next, enable, disable, trigger."""

    def setUp(self) -> None:
        super().setUp()
        scheduled(Cron("0 13 * * *", timezone="Europe/Berlin", name="lunch"))
        drain()

    def test_the_list(self) -> None:
        (one,) = self.json("schedules")["schedules"]
        self.assertEqual((one["name"], one["enabled"], one["failures"]), ("lunch", True, 0))
        self.assertEqual(one["next_run_at"], "2030-05-07T11:00:00+00:00")
        text = self.call("schedules", "list")
        for words in ("lunch", "0 13 * * *", "Europe/Berlin", "in 23h"):
            self.assertIn(words, text)

    def test_the_slots_to_come_in_the_schedules_zone(self) -> None:
        lines = self.call("schedules", "next", "lunch", "-n", 3).splitlines()
        self.assertEqual(len(lines), 3)
        self.assertEqual(lines[0], "Tue 2030-05-07 13:00 CEST")
        said = self.json("schedules", "next", "lunch")
        self.assertEqual((len(said["slots"]), said["timezone"]), (10, "Europe/Berlin"))

    def test_on_and_off(self) -> None:
        self.assertEqual(self.call("schedules", "disable", "lunch"), "lunch disabled\n")
        self.assertFalse(Schedule.objects.get().enabled)
        self.call("schedules", "next", "lunch")
        self.assertIn("none of them fires", self.errors)
        self.assertTrue(self.json("schedules", "enable", "lunch")["schedule"]["enabled"])
        self.assertEqual(self.audited("disable_schedule").target, "lunch")
        self.audited("enable_schedule")

    def test_now(self) -> None:
        pk = self.call("schedules", "trigger", "lunch").strip()
        self.assertEqual(str(Firing.objects.get().execution_id), pk)
        said = self.json("schedules", "trigger", "lunch")
        self.assertEqual(set(said), {"id", "workflow", "status", "schedule"})
        entries = AuditEntry.objects.values_list("action", flat=True)
        self.assertEqual(list(entries), ["trigger_schedule"] * 2)

    def test_what_is_refused(self) -> None:
        self.refused("did you mean 'lunch'?", "schedules", "trigger", "lunsh")
        self.refused("durable_schedules lists them", "schedules", "enable", "zzz")
        self.refused("which schedule?", "schedules", "disable")
        self.refused("list takes no name", "schedules", "list", "lunch")
        self.refused("is not a whole number", "schedules", "next", "lunch", "-n", "0")
        a_user("viewer", "view_schedule")
        self.call("schedules", "--by", "viewer")
        self.refused("manage_schedules", "schedules", "trigger", "lunch", "--by", "viewer")

    def test_there_are_none(self) -> None:
        Schedule.objects.all().delete()
        self.assertEqual(self.call("schedules"), "no schedules\n")


class QueueTests(CommandTestCase):
    """queues: list, pause, resume, limit."""

    def test_pause_limit_and_resume(self) -> None:
        durable.start(quick())
        (state,) = self.json("queues", "pause", "default")["queues"]
        self.assertEqual((state["name"], state["paused"], state["depth"]), ("default", True, 1))
        self.assertIn("paused", self.call("queues"))
        self.json("queues", "limit", "default", 3)
        row = Queue.objects.get()
        self.assertEqual((row.paused, row.concurrency), (True, 3))
        self.json("queues", "limit", "default", "none")
        self.json("queues", "resume", "default")
        row.refresh_from_db()
        self.assertEqual((row.paused, row.concurrency), (False, None))
        self.audited("pause_queue")
        self.audited("resume_queue")
        self.assertEqual(AuditEntry.objects.filter(action="limit_queue").count(), 2)

    def test_what_is_refused(self) -> None:
        for words, *args in (
            ("there is no queue 'mial', only default", "pause", "mial"),
            ("which queue?", "pause"),
            ("list takes no name", "list", "default"),
            ("limit takes a number", "limit", "default"),
            ("limit takes a number", "pause", "default", 3),
            ("a whole number from 1 on", "limit", "default", 0),
            ("a whole number from 1 on", "limit", "default", "many"),
            ("a whole number from 1 on", "limit", "default", "99999999999"),
        ):
            with self.subTest(words, args=args):
                self.refused(words, "queues", *args)
        self.assertFalse(Queue.objects.exists())
        a_user("viewer", "view_queue")
        self.call("queues", "--by", "viewer")
        self.refused("change_queue", "queues", "pause", "default", "--by", "viewer")
