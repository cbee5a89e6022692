"""Policies hold in every list, about every row and behind every message, of REST and commands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest import mock

from django.contrib.auth.models import Permission
from django.test import override_settings

import durable
from durable import Data, Workflow, call_workflow, chain, clock, parallel, step
from durable.doors.access import Policy
from durable.models import Execution, Schedule, Worker
from durable.people import answer
from durable.testing import run
from tests.doors.commands.cases import Called
from tests.doors.rest.cases import Api, RestTestCase, with_tenants

SECRET = "hunter2"


class Mine(Policy):
    """Of schedules, queues and workers only those whose name begins with mine exist."""

    def allows(self, user: Any, action: str, target: Any) -> bool:
        """By the name, where there is one; no workflow may be started."""
        if isinstance(target, type):
            return False
        name = target if isinstance(target, str) else getattr(target, "name", "mine")
        return str(name).startswith("mine")


class WithoutSub(Policy):
    """Payloads of the workflow sub are for nobody; nor is what carries the tag closed."""

    def allows(self, user: Any, action: str, target: Any) -> bool:
        """It looks at the execution that it is asked about, as a project's would."""
        if action != "view_payload" or not isinstance(target, Execution):
            return True
        return target.workflow != "sub" and "closed" not in target.tags


def policy(cls: type[Policy]) -> Any:
    """The site has this policy."""
    return override_settings(DURABLE={"API_PERMISSIONS": [f"{__name__}.{cls.__name__}"]})


class DoorsTestCase(Called, RestTestCase):
    """The operator may see payloads, too."""

    def setUp(self) -> None:
        super().setUp()
        self.operator.user_permissions.add(Permission.objects.get(codename="view_payload"))


class ListTests(DoorsTestCase):
    """What operators look at beside executions."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(policy(Mine))
        for name in ("mine", "theirs"):
            durable.schedule("plain", "0 9 * * *", name=name)
            durable.start("plain", queue=name)
            now = clock.local_now()
            times = {"started_at": now, "heartbeat_at": now, "expires_at": now + timedelta(hours=1)}
            Worker.objects.create(name=name, queues=[name], kinds=[], **times)

    def test_rest_lists_what_the_policies_leave(self) -> None:
        for path in ("schedules/", "queues/", "workers/"):
            names = [row["name"] for row in self.as_operator.get(path).body["results"]]
            self.assertEqual(names, ["mine"], path)

    def test_commands_list_what_the_policies_leave(self) -> None:
        for command in ("schedules", "queues", "workers"):
            rows = self.json(command, "--by", "olga")[command]
            self.assertEqual([row["name"] for row in rows], ["mine"], command)
            self.assertEqual(
                {"mine", "theirs"} - {r["name"] for r in self.json(command)[command]}, set()
            )
        status = self.json("status", "--by", "olga")
        for kind in ("schedules", "queues", "workers"):
            self.assertEqual([row["name"] for row in status[kind]], ["mine"], kind)

    def test_commands_know_nothing_of_what_the_policies_hide(self) -> None:
        for command, action in (
            ("schedules", "next"),
            ("schedules", "trigger"),
            ("queues", "pause"),
        ):
            said = self.refused("there is no", command, action, "theirs", "--by", "olga")
            unknown = self.refused("there is no", command, action, "thems", "--by", "olga")
            self.assertEqual(str(said).replace("theirs", "thems"), str(unknown))
        self.assertTrue(Schedule.objects.get(name="theirs").enabled)


class KeyTests(DoorsTestCase):
    """Keys are one namespace; whose they are stays with whom they belong to."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(with_tenants())

    def test_a_command_tells_nothing_of_what_another_tenant_started_with_the_key(self) -> None:
        given = ("plain", "--input", '{"n": 1}', "--idempotency-key", "k")
        theirs = self.call("run", *given, "--by", "sam").strip()
        self.assertEqual(self.call("run", *given, "--by", "sam").strip(), theirs)
        used = "this idempotency key was used before"
        with mock.patch("durable.management.commands.durable_run.refuse_transaction"):
            said = [
                self.refused(used, "run", *arguments, "--by", "olga")
                for arguments in (given, ("plain", "--idempotency-key", "k"), (*given, "--wait"))
            ]
        self.assertEqual(len({str(error) for error in said}), 1)
        self.assertNotIn(theirs, self.answered + self.errors + str(said[0]))

    def test_an_event_id_that_another_used_does_not_tell_for_what(self) -> None:
        Api(self.stranger).post("events/", {"name": "merger-with-acme", "event_id": "1"})
        answer = self.as_operator.post("events/", {"name": "x", "event_id": "1"})
        self.assertNotIn("merger", str(self.assertProblem(answer, 409, "used before")))


class PayloadTests(DoorsTestCase):
    """Whether masked values are shown is asked about the whole that they belong to."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(policy(WithoutSub))

        class Sub(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {**data, "ok": self.wait_for_approval("sub")}

        class Above(Workflow):
            flow = chain(call_workflow(Sub))

        class Split(Workflow):
            @step
            def left(self, data: Data) -> Data:
                return {"left": self.wait_for_approval("left", metadata={"token": SECRET})}

            @step
            def right(self, data: Data) -> Data:
                return {"right": self.wait_for_approval("right")}

            flow = chain(parallel(left, right))

    def test_a_child_workflow_below_its_parent_is_masked_as_it_is_by_itself(self) -> None:
        row = run("above", {}, tags={"token": SECRET})
        child = Execution.objects.get(parent=row)
        for path in (f"executions/{child.pk}/", f"executions/{row.pk}/children/"):
            self.assertNotIn(SECRET, self.as_operator.get(path).content.decode(), path)
        self.assertIn(SECRET, self.as_operator.get(f"executions/{row.pk}/").content.decode())

    def test_a_question_of_a_branch_is_masked_as_the_whole_is(self) -> None:
        for tags, seen in (({}, True), ({"closed": 1}, False)):
            row = run("split", {}, tags=tags)
            for path in (f"executions/{row.pk}/inputs/left/", "inputs/"):
                shown = self.as_operator.get(path).content.decode()
                self.assertEqual(SECRET in shown, seen, (path, tags))
            durable.cancel(row.pk)


class WordsTests(DoorsTestCase):
    """What is said to whom may not."""

    def test_parts_offer_no_action(self) -> None:
        row = run("two_ask", {}, tags={"tenant": "acme"})
        for part in Execution.objects.filter(root_id=row.pk).exclude(pk=row.pk):
            self.assertEqual(self.as_operator.get(f"executions/{part.pk}/").body["actions"], [])
        self.assertIn("cancel", self.as_operator.get(f"executions/{row.pk}/").body["actions"])

    def test_a_refused_start_names_the_workflow_and_not_its_class(self) -> None:
        run("failing")  # so that there is one is no secret
        with policy(Mine):
            answer = self.as_operator.post("executions/", {"workflow": "failing"})
        self.assertProblem(answer, 403, "may not start with failing: ")

    def test_what_a_person_may_is_read_anew_when_a_command_answers(self) -> None:
        row, found = self.ask(), answer.questions_named

        def then_withdrawn(*args: Any, **options: Any) -> Any:
            self.operator.user_permissions.remove(Permission.objects.get(codename="approve"))
            return found(*args, **options)

        given = (row.pk, "manager", "approved", "--by", "olga")
        with mock.patch.object(answer, "questions_named", then_withdrawn):
            self.refused("it takes the permission durable.approve", "provide_input", *given)
        self.operator.user_permissions.add(Permission.objects.get(codename="approve"))
        self.call("provide_input", *given)
        self.assertEqual(self.audited("provide_input").actor, self.operator)
