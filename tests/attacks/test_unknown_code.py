"""What a workflow asks of whoever acts on it holds where this process lacks its code, too."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core import mail
from django.test import override_settings

import durable
from durable import Data, Fail, Workflow, WorkflowMeta, step
from durable.authoring.parse import registry
from durable.models import Execution, Schedule, Wait
from durable.people.reach import links
from durable.people.reach import mail as mails
from durable.testing import run
from tests.attacks.cases import Attack, AttackCase, admin, attacker, command, rest
from tests.doors.admin.site import browser
from tests.doors.rest.cases import Api
from tests.doors.test_links import address
from tests.people.asking import change, deciding, reassigning

NEEDED = "auth.change_group"
MAILS = {"PUBLIC_URL": "https://example.com"}


def guarded(number: int, *needed: str) -> type[Workflow]:
    """A version of the workflow; its executions ask, fail or are done."""

    class Guarded(Workflow):
        class Meta(WorkflowMeta):
            version = number
            permissions = needed
            on_failure = "hold"

        @step
        def begin(self, data: Data) -> Data:
            return data

        @begin.compensate
        def undo(self, data: Data) -> None: ...

        @step
        def act(self, data: Data) -> Data:
            if data.get("fails"):
                raise Fail("no")
            if data.get("asks"):
                self.wait_for_approval("q", assignees=data["asks"])
            return data

    return Guarded


class UnknownCodeTests(AttackCase):
    """``Meta.permissions`` of a version, or of a workflow, that is not in this process."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(override_settings(DURABLE=MAILS))
        guarded(1, NEEDED)
        self.user, self.able = attacker("eve"), attacker("abe", NEEDED)
        self.root = User.objects.create_superuser("root", "root@example.com")
        people = ["user:eve", "user:abe", "user:root"]
        self.waiting = run("guarded", {"asks": people})
        self.failed = run("guarded", {"fails": True})
        self.paused = run("guarded", {"asks": people})
        durable.pause(self.paused.pk)
        self.schedule = durable.schedule("guarded", "0 9 * * *", name="daily", input={"n": 1})
        self.wait = Wait.objects.get(execution=self.waiting)
        self.links = {
            user: links.make(self.wait, user)[0].token for user in (self.user, self.able, self.root)
        }

    def attacks(self) -> list[Attack]:
        """Each deed about an execution, a question or a schedule, at each door."""
        pk, failed, paused, wait = self.waiting.pk, self.failed.pk, self.paused.pk, self.wait
        sure, to = {"confirmed": "1"}, {"users": ["root"], "others": ""}
        posted = [
            (f"executions/{pk}/cancel/", {}),
            (f"executions/{pk}/cancel/", {"compensate": True}),
            (f"executions/{pk}/pause/", {}),
            (f"executions/{paused}/resume/", {}),
            (f"executions/{failed}/retry/", {}),
            (f"executions/{failed}/rerun/", {}),
            (f"executions/{failed}/compensate/", {}),
            (f"executions/{pk}/events/", {"name": "paid"}),
            (f"executions/{pk}/inputs/q/", {"answer": "approved"}),
            (f"executions/{pk}/inputs/q/reassign/", {"to": ["user:root"]}),
            *((f"schedules/daily/{act}/", {}) for act in ("enable", "disable", "trigger")),
        ]
        on_one = [
            *((pk, act) for act in ("cancel", "cancel_compensate", "pause")),
            (paused, "resume"),
            *((failed, act) for act in ("retry", "rerun", "compensate")),
        ]
        many = {"action": "cancel", "_selected_action": [str(pk)], **sure}
        edit = {"cron": "0 8 * * *", "timezone": "UTC", "catch_up": "latest", "overlap": "allow"}
        scheduled = {"enable": {}, "disable": {}, "run": {}, "remove": {}, "edit": edit}

        def asked(name: str, url: str, data: Any) -> Attack:
            return Attack("admin", name, lambda user: browser(user).post(url, data))

        return [
            *(rest(path, path, body) for path, body in posted),
            *(admin(act, "execution_act", row, act, **sure) for row, act in on_one),
            admin("many", "execution_changelist", **many),
            asked("answer", change(wait), {"_decision": "approved"}),
            asked("decide", deciding(), {"id": str(wait.pk), "confirmed": "1"}),
            asked("reassign", reassigning(wait), to),
            *(
                admin(act, "schedule_act", self.schedule.pk, act, **{"input": "{}", **data})
                for act, data in scheduled.items()
            ),
            Attack("link", "approve", lambda user: browser(None).post(address(self.links[user]))),
            *(command(name, pk) for name in ("cancel", "pause")),
            *(command(name, failed) for name in ("retry", "rerun")),
            command("resume", paused),
            command("send_event", pk, "paid"),
            command("provide_input", pk, "q", "approved"),
            *(command("schedules", act, "daily") for act in ("enable", "disable", "trigger")),
        ]

    def lose(self, *, version: bool) -> None:
        """This process has another version only, or nothing of this name."""
        del registry._classes["guarded", 1]
        if version:
            guarded(2)

    def test_each_is_a_deed_for_whoever_has_what_the_workflow_asks_for(self) -> None:
        self.assertDone(self.attacks(), self.able)

    def test_nothing_is_done_without_it(self) -> None:
        self.assertRefused(self.attacks(), self.user)

    def test_nothing_is_done_where_the_workflow_is_unknown(self) -> None:
        self.lose(version=False)
        self.assertRefused(self.attacks(), self.able)

    def test_nothing_is_done_to_executions_whose_version_is_unknown(self) -> None:
        self.lose(version=True)
        self.assertRefused(self.of_executions(), self.able)

    def of_executions(self) -> list[Attack]:
        """Those that are not about a schedule: that starts the version that is there."""
        return [one for one in self.attacks() if not self.about_the_schedule(one)]

    def about_the_schedule(self, attack: Attack) -> bool:
        scheduled = ("enable", "disable", "run", "remove", "edit")
        return "schedules" in attack.name or attack.name in scheduled

    def test_superusers_still_act(self) -> None:
        self.lose(version=False)
        attacks = [
            one
            for one in self.attacks()  # what can't be started can't be started by them either
            if not {"rerun", "trigger", "run", "edit"} & set(one.name.replace("/", " ").split())
        ]
        self.assertDone(attacks, self.root)

    def test_what_is_refused_says_which_code_is_missing(self) -> None:
        self.lose(version=True)
        pk, api = self.waiting.pk, Api(self.able)
        words = "guarded version 1 is gone; this code has 2, so what its Meta.permissions ask for"
        said = api.post(f"executions/{pk}/cancel/", {})
        self.assertIn(words, said.body["detail"])
        said = api.post(f"executions/{pk}/inputs/q/", {"answer": "approved"})
        self.assertIn(words, said.body["detail"])

    def test_looking_takes_no_more_than_it_did(self) -> None:
        self.lose(version=False)
        api = Api(self.user)
        self.assertEqual(api.get(f"executions/{self.waiting.pk}/").status_code, 200)
        self.assertEqual(api.get("schedules/daily/").status_code, 200)
        self.assertEqual(api.get(f"executions/{self.waiting.pk}/").body["actions"], [])

    def test_a_worker_without_the_code_leaves_mails_to_one_that_has_it(self) -> None:
        asked = Wait.objects.get(execution=self.paused)
        mail.outbox.clear()
        with self.subTest("known"):
            self.assertIsNone(mails.tell("asked", asked, ["user:abe", "user:eve"]))
            self.assertEqual([one.to for one in mail.outbox], [["abe@example.com"]])
        self.lose(version=False)
        mail.outbox.clear()
        later = mails.tell("asked", asked, ["user:root", "user:abe"])
        self.assertIsInstance(later, timedelta)
        self.assertEqual(mail.outbox, [])

    def test_the_tables_are_about_these_rows(self) -> None:
        self.assertEqual(Execution.objects.count(), 3)
        self.assertEqual(Schedule.objects.get().workflow, "guarded")
