"""Nobody goes first because they may start: another queue or priority takes ``change_queue``."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.test import override_settings

from durable import Data, Workflow, WorkflowMeta, step
from tests.attacks.cases import Attack, AttackCase, admin, attacker, command, rest


class PlaceTests(AttackCase):
    """Who may start, at each door by which one starts."""

    def setUp(self) -> None:
        super().setUp()

        class Planned(Workflow):
            class Meta(WorkflowMeta):
                queue = "default"
                priority = 5

            @step
            def one(self, data: Data) -> Data:
                return {}

    def elsewhere(self) -> list[Attack]:
        start = {"workflow": "planned"}
        return [
            rest("queue", "executions/", {**start, "queue": "vip"}),
            rest("priority", "executions/", {**start, "priority": 100}),
            rest("least", "executions/", {**start, "priority": -1}),
            command("run", "planned", "--queue", "vip"),
            command("run", "planned", "--priority", "100"),
        ]

    def as_planned(self) -> list[Attack]:
        start = {"workflow": "planned"}
        return [
            rest("none", "executions/", start),
            rest("planned", "executions/", {**start, "queue": "default", "priority": 5}),
            command("run", "planned", "--queue", "default"),
            admin("form", "workflow", "planned", input="{}", tags="", idempotency_key=""),
        ]

    def without(self, *codenames: str) -> User:
        user = attacker("kim")
        user.user_permissions.remove(*user.user_permissions.filter(codename__in=codenames))
        return user

    def test_who_may_start_starts_where_it_was_planned(self) -> None:
        user = self.without("change_queue")
        self.assertRefused(self.elsewhere(), user)
        self.assertDone(self.as_planned(), user)

    def test_who_manages_queues_chooses(self) -> None:
        self.assertDone([*self.elsewhere(), *self.as_planned()], self.without())

    def test_a_policy_is_asked_about_the_queue(self) -> None:
        with override_settings(DURABLE={"API_PERMISSIONS": ["tests.doors.admin.site.OwnTenant"]}):
            user = User.objects.get(pk=self.without().pk)
            user.last_name = "acme"
            user.save()
            others = [one for one in self.elsewhere() if "vip" in str(one) or one.name == "queue"]
            self.assertRefused(others, user)
            own = rest("queue", "executions/", {"workflow": "planned", "queue": "acme-1"})
            self.assertDone([own], user)
