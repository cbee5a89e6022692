"""The commands that only look: list, status, inspect, waits, workers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

import durable
from durable import Workflow, chain, clock, parallel, step
from durable.engine.duties import workers
from durable.models import AuditEntry, Execution, Worker
from durable.showing.masking import HIDDEN
from durable.testing import advance, drain, run, time_travel
from tests.doors.commands.cases import (
    CommandTestCase,
    Data,
    a_user,
    asking,
    failing,
    listening,
    quick,
)

NOON = datetime(2030, 5, 6, 12, tzinfo=UTC)
STATUSES = ("pending", "waiting", "completed")  # of the executions listed, newest first


@time_travel(NOON)
class ListTests(CommandTestCase):
    """Which executions, in which order."""

    def setUp(self) -> None:
        super().setUp()
        self.done = run(quick(), tags={"team": "a", "n": 3})
        advance(hours=1)
        self.waiting = run(asking(), tags={"team": "b"})
        advance(hours=1)
        self.due = durable.start("quick", queue="mail", tags={"team": "a"})

    def listed(self, *args: Any) -> list[Execution]:
        found = self.json("list", *args)["executions"]
        rows = {str(row.pk): row for row in (self.done, self.waiting, self.due)}
        return [rows[one["id"]] for one in found]

    def test_newest_first_and_by_what_is_asked_for(self) -> None:
        done, waiting, due = self.done, self.waiting, self.due
        self.assertEqual(self.listed(), [due, waiting, done])
        self.assertEqual(self.listed("--workflow", "quick"), [due, done])
        self.assertEqual(self.listed("--status", "waiting"), [waiting])
        self.assertEqual(self.listed("--status", "waiting", "--status", "pending"), [due, waiting])
        self.assertEqual(self.listed("--queue", "mail"), [due])
        self.assertEqual(self.listed("--tag", "team=a"), [due, done])
        self.assertEqual(self.listed("--tag", "team=a", "--tag", "n=3"), [done])
        self.assertEqual(self.listed("--tag", 'n="3"'), [])
        self.assertEqual(self.listed("--since", "90m"), [due, waiting])
        self.assertEqual(self.listed("--until", "90m"), [done])
        self.assertEqual(self.listed("--since", "2030-05-06T12:30Z", "--until", "1h"), [])
        self.assertEqual(self.listed("--since", "2030-05-06"), [due, waiting, done])
        self.refused("earlier than --until", "list", "--since", "1h", "--until", "2h")

    def test_more_than_the_limit_is_told(self) -> None:
        said = self.json("list", "--limit", 2)
        self.assertEqual((len(said["executions"]), said["more"]), (2, True))
        self.assertFalse(self.json("list", "--limit", 3)["more"])
        self.assertEqual(len(self.json("list", "--limit", 1, "--all")["executions"]), 3)
        self.call("list", "--limit", 2)
        self.assertIn("and more", self.errors)

    def test_the_text_has_a_line_for_each(self) -> None:
        head, *lines = self.call("list").splitlines()
        columns = head.split()
        self.assertEqual(columns, ["ID", "WORKFLOW", "STATUS", "STEP", "QUEUE", "CREATED", "TOOK"])
        self.assertIn(f"{self.due.pk}  quick v1", lines[0])
        self.assertIn("1h so far", lines[1])
        starts = {line.index(status) for line, status in zip(lines, STATUSES, strict=True)}
        self.assertEqual(starts, {head.index("STATUS")})
        self.assertEqual(self.call("list", "--workflow", "book_trip"), "no executions\n")

    def test_a_workflow_that_is_nowhere_is_no_empty_list(self) -> None:
        with self.assertRaisesRegex(CommandError, "'quikc'.*Did you mean 'quick'"):
            self.call("list", "--workflow", "quikc")

    def test_keys_are_stable_and_tags_are_masked(self) -> None:
        durable.start("quick", tags={"token": "abc"})
        one = self.json("list", "--limit", 1)["executions"][0]
        self.assertEqual(one["tags"], {"token": HIDDEN})
        keys = "id workflow version status role parent step queue priority tags created_at "
        self.assertEqual(" ".join(one), f"{keys}started_at finished_at")

    def test_by_subject(self) -> None:
        user = get_user_model().objects.create_user("ann")
        about = durable.start("quick", subject=user)
        (one,) = self.json("list", "--subject", f"auth.user:{user.pk}")["executions"]
        self.assertEqual(one["id"], str(about.pk))

    def test_children_and_parts_when_they_are_asked_for(self) -> None:
        class Family(Workflow):
            @step
            def left(self, data: Data) -> Data:
                return {"left": self.call_workflow("quick", {})}

            @step
            def right(self, data: Data) -> None:
                return None

            flow = parallel(left, right)

        run(Family)
        rows = self.json("list", "--children", "--all")["executions"]
        self.assertEqual(
            sorted(row["role"] for row in rows),
            ["branch", "branch", "child", "root", "root", "root", "root"],
        )
        a_user("viewer", "view_execution")
        seen = self.json("list", "--children", "--all", "--by", "viewer")["executions"]
        self.assertEqual(len(seen), len(rows))
        self.assertEqual(len(self.json("list", "--all")["executions"]), 4)


@time_travel(NOON)
class StatusTests(CommandTestCase):
    """Everything in numbers, or one."""

    def test_counts_queues_workers_schedules_and_questions(self) -> None:
        run(quick())
        run(asking())
        durable.start("quick")
        durable.schedule("quick", "0 13 * * *", name="lunch", timezone="UTC")
        workers.register("host:1", ["default"], ["quick@1"], timedelta(minutes=1), listening=False)
        advance(seconds=30, work=False)
        said = self.json("status")
        some = {name: count for name, count in said["statuses"].items() if count}
        self.assertEqual(some, {"completed": 1, "waiting": 1, "pending": 1})
        self.assertEqual(len(said["statuses"]), 11)
        (queue,) = said["queues"]
        self.assertEqual((queue["depth"], queue["lag"]), (1, 30.0))
        self.assertEqual([worker["name"] for worker in said["workers"]], ["host:1"])
        self.assertEqual([one["name"] for one in said["schedules"]], ["lunch"])
        self.assertEqual(said["open_questions"], 1)
        text = self.call("status")
        for words in ("completed   1", "host:1", "in 59m 30s", "to people: 1", "30s"):
            self.assertIn(words, text)

    def test_of_one_execution(self) -> None:
        execution = run(asking())
        said = self.json("status", str(execution.pk))
        self.assertEqual((said["status"], said["step"]), ("waiting", "ask"))
        self.assertEqual(said["waits_for"][0]["name"], "manager")
        self.assertIn("waiting at ask for input manager", self.call("status", execution.pk))

    def test_a_person_sees_what_they_may(self) -> None:
        run(asking())
        a_user("viewer", "view_execution")
        workers.register("host:1", ["default"], ["quick@1"], timedelta(minutes=1), listening=False)
        said = self.json("status", "--by", "viewer")
        self.assertEqual((said["queues"], said["workers"], said["schedules"]), ([], [], []))
        self.assertEqual(said["statuses"]["waiting"], 1)
        a_user("blind")
        self.refused("may not view", "status", "--by", "blind")


@time_travel(NOON)
class InspectTests(CommandTestCase):
    """All that is on record of one."""

    def test_the_header_and_every_list(self) -> None:
        execution = run(asking(), {"n": 1}, tags={"team": "a"}, keys=["order:1"])
        durable.send_event(execution.pk, "hint", {"x": 1}, event_id="e1")
        durable.provide_input(execution.pk, "manager", "approved", comment="fine")
        drain()
        said = self.json("inspect", execution.pk, "--data")
        self.assertEqual((said["status"], said["tags"]), ("completed", {"team": "a"}))
        self.assertEqual((said["keys"], said["input"]), (["order:1"], {"n": 1}))
        self.assertEqual([run["path"] for run in said["steps"]], ["begin", "ask"])
        self.assertEqual(said["steps"][0]["output"], {"n": 1, "begun": True})
        (wait,) = said["waits"]
        self.assertEqual((wait["prompt"], wait["comment"]), ("All right?", "fine"))
        self.assertEqual(
            wait["answer"]["decision"] if isinstance(wait["answer"], dict) else wait["answer"],
            "approved",
        )
        (event,) = said["events"]
        self.assertEqual((event["event_id"], event["payload"]), ("e1", {"x": 1}))
        self.assertEqual([entry["action"] for entry in said["audit"]], ["provide_input"])
        text = self.call("inspect", execution.pk, "--data")
        for words in ("Steps", "Waits", "Events", "Audit", "manager asks: All right?", "order:1"):
            self.assertIn(words, text)

    def test_without_data_nothing_of_it_is_shown(self) -> None:
        execution = run(quick(), {"name": "Ann"})
        self.assertNotIn("Ann", self.call("inspect", execution.pk))
        self.assertNotIn("Ann", self.call("inspect", execution.pk, "--json"))
        self.assertIn("Ann", self.call("inspect", execution.pk, "--data"))

    def test_attempts_errors_tracebacks_and_logs(self) -> None:
        execution = run(failing(), {"password": "hunter2"})
        said = self.json("inspect", execution.pk)
        self.assertEqual([run["status"] for run in said["steps"]], ["completed", "failed"])
        error = said["steps"][1]["error"]
        self.assertEqual(error["message"], f"token={HIDDEN} is broken")
        self.assertNotIn("traceback", error)
        text = self.call("inspect", execution.pk, "--logs", "--data")
        self.assertIn("Traceback (most recent call last)", text)
        self.assertNotIn("abc is broken", text)
        self.assertNotIn("hunter2", text)
        open_text = self.call("inspect", execution.pk, "--logs", "--data", "--show-secrets")
        self.assertIn("token=abc is broken", open_text)
        self.assertIn("hunter2", open_text)

    def test_captured_logs(self) -> None:
        import logging

        class Telling(Workflow):
            @step
            def tell(self, data: Data) -> None:
                logging.getLogger("shop").warning("token=%s\nsecond line", "abc")

        execution = run(Telling)
        (found,) = self.json("inspect", execution.pk, "--logs")["steps"][0]["logs"]
        self.assertEqual(found["message"], f"token={HIDDEN}\nsecond line")
        text = self.call("inspect", execution.pk, "--logs")
        self.assertIn(f"WARNING shop: token={HIDDEN}\n    second line", text)
        self.assertNotIn("second line", self.call("inspect", execution.pk))

    def test_parts_children_and_compensations(self) -> None:
        class Trip(Workflow):
            @step
            def book(self, data: Data) -> Data:
                return {**data, "booked": True}

            @book.compensate
            def undo(self, data: Data) -> None:
                return None

            @step
            def child(self, data: Data) -> Data:
                return {"child": self.call_workflow("quick", {})}

            @step
            def other(self, data: Data) -> None:
                return None

            @step
            def fail(self, data: Data) -> None:
                raise durable.Fail("no")

            flow = chain(book, parallel(child, other), fail)

        quick()
        execution = run(Trip)
        said = self.json("inspect", execution.pk)
        self.assertEqual(said["status"], "compensated")
        self.assertEqual({part["count"] for part in said["parts"]}, {1})
        self.assertEqual([child["workflow"] for child in said["children"]], ["quick"])
        self.assertEqual([run["path"] for run in said["compensations"]], ["book"])
        self.assertEqual(len(said["steps"]), 4)
        text = self.call("inspect", execution.pk)
        for words in ("Branches and items", "Children", "Compensations"):
            self.assertIn(words, text)

    def test_a_person_sees_the_audit_and_secrets_only_with_the_permission(self) -> None:
        execution = run(asking(), {"token": "abc"})
        durable.pause(execution.pk)
        a_user("viewer", "view_execution")
        a_user("chief", "view_execution", "view_payload", "view_auditentry")
        self.assertIsNone(self.json("inspect", execution.pk, "--by", "viewer")["audit"])
        self.refused("view_payload", "inspect", execution.pk, "--show-secrets", "--by", "viewer")
        args = ("inspect", execution.pk, "--show-secrets", "--data", "--by", "chief")
        said = self.json(*args)
        self.assertEqual((said["input"], len(said["audit"])), ({"token": "abc"}, 1))
        self.assertEqual(AuditEntry.objects.count(), 1)


@time_travel(NOON)
class WaitsTests(CommandTestCase):
    """What is waited for, by whom."""

    def test_open_waits_the_oldest_first(self) -> None:
        first = run(listening())
        advance(minutes=5)
        second = run(asking())
        said = self.json("waits")["waits"]
        self.assertEqual([one["execution"] for one in said], [str(first.pk), str(second.pk)])
        self.assertEqual([one["kind"] for one in said], ["event", "input"])
        self.assertEqual(said[1]["prompt"], "All right?")
        self.assertEqual(len(self.json("waits", "--kind", "event")["waits"]), 1)
        self.assertEqual(len(self.json("waits", "--execution", second.pk)["waits"]), 1)
        self.assertTrue(self.json("waits", "--limit", 1)["more"])
        text = self.call("waits")
        self.assertIn("5m", text)
        self.assertIn("All right?", text)
        durable.cancel(first.pk)
        durable.cancel(second.pk)
        self.assertEqual(self.call("waits"), "nothing is waited for\n")

    def test_those_that_are_late(self) -> None:
        class Due(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"ok": self.wait_for_approval("ok", due=durable.hours(1))}

        run(Due)
        run(asking())
        self.assertEqual(self.json("waits", "--overdue")["waits"], [])
        advance(hours=2)
        (late,) = self.json("waits", "--overdue")["waits"]
        self.assertEqual(late["name"], "ok")
        self.assertIn("1h late", self.call("waits", "--overdue"))

    def test_those_of_a_person(self) -> None:
        class Named(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"ok": self.wait_for_approval("ok", assignees="user:ann")}

        run(Named)
        run(asking())
        a_user("ann")
        a_user("kim", "approve", "view_execution")
        self.assertEqual(
            [one["name"] for one in self.json("waits", "--for", "ann")["waits"]], ["ok"]
        )
        mine = self.json("waits", "--mine", "--by", "ann")["waits"]
        self.assertEqual([one["name"] for one in mine], ["ok"])
        theirs = self.json("waits", "--mine", "--by", "kim")["waits"]
        self.assertEqual([one["name"] for one in theirs], ["manager"])
        self.assertEqual(len(self.json("waits", "--by", "kim")["waits"]), 2)
        self.assertEqual(self.json("waits", "--by", "ann")["waits"], [])
        self.refused("--mine takes --by", "waits", "--mine")
        self.refused("--for: there is no user 'eve'", "waits", "--for", "eve")


@time_travel(NOON)
class WorkersTests(CommandTestCase):
    """Who is alive."""

    def test_alive_dead_and_stopped(self) -> None:
        lease = timedelta(minutes=1)
        for name in ("a:1", "b:2", "c:3"):
            workers.register(name, ["default", "mail"], ["quick@1"], lease, listening=True)
        Worker.objects.filter(name="b:2").update(expires_at=clock.now())
        workers.sign_off(Worker.objects.get(name="c:3").pk)
        said = self.json("workers")["workers"]
        self.assertEqual(
            {one["name"]: one["state"] for one in said}, {"a:1": "alive", "b:2": "dead"}
        )
        self.assertEqual(len(self.json("workers", "--all")["workers"]), 3)
        text = self.call("workers", "--all")
        for words in ("default, mail", "alive", "dead", "stopped"):
            self.assertIn(words, text)

    def test_nobody(self) -> None:
        self.assertEqual(self.call("workers"), "no worker is alive\n")
