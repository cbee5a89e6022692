"""The policy that the documentation gives to be copied keeps tenants apart."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from django.contrib.auth.models import User
from django.test import override_settings

import durable
from durable import Data, Workflow, step
from durable.authoring.calendar.cron import Cron
from durable.doors import starting
from durable.models import Schedule, Wait
from durable.testing import run
from tests.attacks.cases import Attack, AttackCase, admin, attacker, command, rest
from tests.doors.admin.site import browser
from tests.doors.rest.cases import Api
from tests.people.asking import reassigning

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "multi-tenant.md"


class TenantTests(AttackCase):
    """Whoever is of another tenant, or of none, changes nothing."""

    def setUp(self) -> None:
        super().setUp()
        found = re.search(r"```python\n# shop/policies.py\n(.*?)```", PAGE.read_text(), re.S)
        assert found is not None
        module: Any = ModuleType("documented")
        exec(found[1], module.__dict__)
        sys.modules["documented"] = module
        self.addCleanup(sys.modules.pop, "documented")
        policies = {"API_PERMISSIONS": ["documented.TenantPolicy"]}
        self.enterContext(override_settings(DURABLE=policies))

        class Ask(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {**data, "ok": self.wait_for_approval("q", exclude=data.get("not"))}

        self.kim, self.eve = (
            attacker("kim", groups=("tenant:acme",)),
            attacker("eve", groups=("tenant:globex",)),
        )
        self.nobody = attacker("nobody")
        self.theirs = run("ask", {"not": ["user:kim"]}, tags={"tenant": "acme"})
        self.wait = Wait.objects.get(execution=self.theirs)
        self.daily = starting.schedule(
            self.kim, Schedule(name="daily", workflow="ask"), Cron("0 9 * * *", name="daily")
        )
        durable.schedule("ask", "0 9 * * *", name="nobodys")
        durable.start("ask", queue="acme-queue")

    def attacks(self) -> list[Attack]:
        """What is acme's, or the site's."""
        pk = self.theirs.pk
        return [
            rest("cancel", f"executions/{pk}/cancel/", {}),
            rest("answer", f"executions/{pk}/inputs/q/", {"answer": "approved"}),
            *(
                rest(f"{name} {act}", f"schedules/{name}/{act}/", {})
                for name in ("daily", "nobodys")
                for act in ("enable", "disable", "trigger")
            ),
            *(rest(f"queue {act}", f"queues/acme-queue/{act}/", {}) for act in ("pause", "resume")),
            admin("remove", "schedule_act", self.daily.pk, "remove"),
            admin("disable", "schedule_act", self.daily.pk, "disable"),
            admin("run", "schedule_act", self.daily.pk, "run"),
            admin("queue", "queue_act", name="acme-queue", act="pause"),
            command("cancel", pk),
            command("schedules", "disable", "daily"),
            command("queues", "pause", "acme-queue"),
        ]

    def test_another_tenant_and_nobody_change_nothing_of_theirs(self) -> None:
        for user in (self.eve, self.nobody):
            self.assertRefused(self.attacks(), user)

    def test_a_user_of_no_tenant_starts_nothing(self) -> None:
        tagged = {"workflow": "ask", "tags": {"tenant": "acme"}}
        attacks = [
            rest("start", "executions/", tagged),
            rest("publish", "events/", {"name": "x", "key": "acme/1"}),
            admin("start", "workflow", "ask", input="{}", tags='{"tenant": "acme"}'),
            command("run", "ask", "--tag", "tenant=acme"),
        ]
        self.assertRefused(attacks, self.nobody)
        self.assertDone(attacks, self.eve)

    def test_what_is_ones_own_can_be_done(self) -> None:
        done = [one for one in self.attacks() if one.name in ("cancel", "disable", "run", "remove")]
        self.assertDone(done, self.kim)

    def test_an_answer_is_not_for_who_has_left_the_tenant(self) -> None:
        asked = run("ask", {}, tags={"tenant": "acme"})
        self.wait = asked.waits.get()
        durable.provide_input(asked.pk, "q", "approved", by=self.kim)
        url = f"/admin/durable/input/{self.wait.pk}/change/"
        self.assertEqual(browser(self.kim).get(url).status_code, 200)
        self.kim.groups.clear()
        left = User.objects.get(pk=self.kim.pk)
        self.assertEqual(browser(left).get(url).status_code, 404)
        for show in ("all", "answered"):
            text = browser(left).get(f"/admin/durable/input/?show={show}").content.decode()
            self.assertNotIn(str(self.wait.pk), text)

    def test_a_group_whose_name_has_a_slash_is_not_in_anothers_scope(self) -> None:
        policy = sys.modules["documented"].TenantPolicy()
        names = ("acme", "acme/orders", "acme%2Forders")
        users = [attacker(f"of {name}", groups=(f"tenant:{name}",)) for name in names]
        keys = [policy.scope_key(user, "orders/1") for user in users]
        self.assertEqual(len({key.rpartition("orders/1")[0] for key in keys}), 3)
        self.assertFalse(any(a != b and a.startswith(b) for a in keys for b in keys))
        scopes = [policy.scope_key(user, "") for user in users]
        self.assertFalse(any(a != b and a.startswith(b) for a in scopes for b in scopes))

    def test_people_are_those_of_the_tenant(self) -> None:
        page = browser(self.kim).get(reassigning(self.wait)).content.decode()
        self.assertNotIn("eve", page)
        self.assertNotIn("globex", page)


class ReassignTests(AttackCase):
    """Who hands a question on can't come by the right to answer it."""

    def setUp(self) -> None:
        super().setUp()

        class Ask(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                people = {"assignees": data["to"], "exclude": ["user:out"]}
                return {**data, "ok": self.wait_for_approval("q", **people)}

        self.row = run("ask", {"to": ["user:boss"]})
        self.wait = Wait.objects.get(execution=self.row)
        for name in ("out", "boss", "other"):
            User.objects.create_user(name)
        self.eve = attacker("eve", groups=("helpers",))
        self.eve.user_permissions.remove(*self.eve.user_permissions.filter(codename="approve"))

    def attacks(self, *people: str) -> list[Attack]:
        """The question is put to each of them, at each door."""
        path = f"executions/{self.row.pk}/inputs/q/reassign/"
        return [
            found
            for one in people
            for found in (
                rest(one, path, {"to": [one]}),
                Attack("admin", one, lambda user, one=one: self.posted(user, one)),  # type: ignore[misc]
            )
        ]

    def posted(self, user: User, one: str) -> Any:
        return browser(user).post(reassigning(self.wait), {"others": one})

    def test_who_may_not_answer_does_not_take_it_over(self) -> None:
        holding = "perm:durable.change_wait"
        self.assertRefused(self.attacks("user:eve", "group:helpers", holding), self.eve)
        self.assertDone(self.attacks("user:other"), self.eve)
        self.assertDone(self.attacks("user:kim"), attacker("kim"))

    def test_unknown_and_excluded_people_are_refused(self) -> None:
        people = ("user:nobody", "group:none", "perm:no.such", "user:out")
        self.assertRefused(self.attacks(*people), attacker("kim"))
        said = Api(User.objects.get(username="kim")).post(
            f"executions/{self.row.pk}/inputs/q/reassign/", {"to": ["user:nobody"]}
        )
        self.assertEqual(said.status_code, 400, said.content)
