"""Keys are of their tenant: whatever starts, waits or publishes, by whichever door, by whom."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from django.contrib.auth.models import User
from django.test import override_settings

import durable
from durable import Data, OnEvent, Workflow, WorkflowMeta, call_workflow, chain, step
from durable.authoring.calendar.cron import Cron
from durable.authoring.parse import registry
from durable.doors import access, publishing, starting
from durable.doors.access import AccessDenied, Policy
from durable.engine.calendar import fire
from durable.engine.start.start import StartOptions
from durable.errors import DurableError, IdempotencyConflict
from durable.models import CorrelationKey, Event, Execution, Schedule
from durable.storage import sizes
from durable.testing import advance, drain, time_travel
from tests.attacks.cases import Attack, AttackCase, admin, attacker, command, rest, undone

THEIRS = "acme/order:1"


def tenant_of(user: Any) -> str:
    """The tenant of a user: the beginning of the name."""
    return str(user.get_username().partition("-")[0])


class Scoped(Policy):
    """Each tenant has its own keys, tags and executions; ``shared`` may be carried by nobody."""

    def executions(self, user: Any, executions: Any) -> Any:
        return executions.with_tags({"tenant": tenant_of(user)})

    def allows(self, user: Any, action: str, target: Any) -> bool:
        return action != "carry_key" or not str(target).endswith("shared")

    def tags(self, user: Any) -> dict[str, Any]:
        return {"tenant": tenant_of(user)}

    def scope_key(self, user: Any, key: str) -> str:
        return f"{tenant_of(user)}/{key}"


class Behind(Policy):
    """Not a scope: it stands behind the key."""

    def scope_key(self, user: Any, key: str) -> str:
        return f"{key}/acme"


class NoStarting(Policy):
    """Nobody starts anything."""

    def allows(self, user: Any, action: str, target: Any) -> bool:
        return action != "start"


def policy(cls: type[Policy]) -> Any:
    """The site has this policy."""
    return override_settings(DURABLE={"API_PERMISSIONS": [f"{__name__}.{cls.__name__}"]})


class KeyCase(AttackCase):
    def setUp(self) -> None:
        super().setUp()
        self.enterContext(policy(Scoped))
        self.eve, self.kim = attacker("globex-eve"), attacker("acme-kim")

        class Order(Workflow):
            class Meta(WorkflowMeta):
                key = "id"
                triggers = (OnEvent("ordered"),)

            @step
            def paid(self, data: Data) -> Data:
                return {**data, "paid": self.wait_for_event("paid")}

        class Listen(Workflow):
            @step
            def paid(self, data: Data) -> Data:
                return {**data, "paid": self.wait_for_event("paid", key=data["id"])}

        class Parent(Workflow):
            flow = chain(call_workflow(Order))

        self.schedule = starting.schedule(
            self.eve,
            Schedule(name="daily", workflow="order"),
            Cron("0 9 * * *", name="daily", input=self.order),
        )

    order = {"id": "order:1"}

    def attacks(self, key: str) -> list[Attack]:
        """All by which a key is got, at each door."""
        order = json.dumps({"id": key})
        name = "globex-eve"
        row = Schedule(name="other", workflow="order")

        def scheduled(user: User) -> None:
            made = starting.schedule(user, row, Cron("0 9 * * *", name="o", input={"id": key}))
            starting.trigger(user, made)

        def rerun(user: User) -> None:
            first = starting.start(user, self.workflow("order"), {"id": key}, StartOptions())
            durable.cancel(first.pk)
            starting.rerun(user, first.pk, None)

        return [
            *(
                rest(flow, "executions/", {"workflow": flow, "input": {"id": key}})
                for flow in ("order", "listen", "parent")
            ),
            rest("keys", "executions/", {"workflow": "listen", "input": {}, "keys": [key]}),
            rest("publish", "events/", {"name": "ordered", "payload": {"id": key}}),
            rest("publish key", "events/", {"name": "ordered", "payload": {"id": key}, "key": key}),
            *(
                admin(flow, "workflow", flow, input=order, tags="{}")
                for flow in ("order", "listen", "parent")
            ),
            command("run", "order", "--input", order),
            command("run", "listen", "--key", key, "--input", order),
            command("publish_event", "ordered", order, "--key", key),
            Attack("engine", f"scheduled by {name}", scheduled),
            Attack("engine", f"rerun by {name}", rerun),
        ]

    def workflow(self, name: str) -> Any:
        return registry.latest(name)


class KeyTests(KeyCase):
    """Nobody carries a key of another tenant, nor takes an event from it."""

    def test_no_key_is_got_outside_of_ones_scope(self) -> None:
        for key in ("order:1", THEIRS):
            for attack in self.attacks(key):
                with self.subTest(door=attack.door, attack=attack.name, key=key):
                    attack.call(self.eve)
                    drain()
                    keys = set(CorrelationKey.objects.values_list("key", flat=True))
                    self.assertTrue(keys, "nothing was started")
                    self.assertEqual([one for one in keys if not one.startswith("globex/")], [])
                    CorrelationKey.objects.all().delete()
                    Execution.objects.update(idempotency_key=None)

    def test_an_event_reaches_its_tenant_by_each_way_and_nobody_else(self) -> None:
        publishing.publish(self.kim, "paid", {"by": "kim"}, key="order:1", event_id=None)
        for attack in self.attacks("order:1")[:3]:
            attack.call(self.eve)
        drain()
        self.assertFalse(Event.objects.filter(execution__isnull=False).exists())
        mine = starting.start(self.kim, self.workflow("listen"), self.order, StartOptions())
        drain()
        mine.refresh_from_db()
        self.assertEqual((mine.status, mine.data["paid"]), ("completed", {"by": "kim"}))

    def test_ids_and_idempotency_keys_of_another_tenant_are_in_nobodys_way(self) -> None:
        for name, given in (("a", {"n": 1}), ("b", {"n": 2})):
            by = self.kim if name == "a" else self.eve
            options = StartOptions(idempotency_key="once")
            self.assertTrue(starting.start(by, self.workflow("order"), given, options).created)
            self.assertTrue(publishing.publish(by, name, None, key=None, event_id="1").created)
        with self.assertRaises(IdempotencyConflict):
            publishing.publish(self.eve, "c", None, key=None, event_id="1")
        self.assertFalse(publishing.publish(self.eve, "b", None, key=None, event_id="1").created)

    def test_a_key_that_the_policies_refuse_is_carried_by_no_way(self) -> None:
        # the keys that a workflow's own steps wait under are decided on by its code
        attacks = [
            one for one in self.attacks("shared") if one.name not in ("listen", "parent", "publish")
        ]
        for attack in attacks:
            with self.subTest(door=attack.door, attack=attack.name):
                before = Execution.objects.count(), Event.objects.count()
                with suppress(AccessDenied):
                    attack.call(self.eve)
                drain()
                self.assertEqual((Execution.objects.count(), Event.objects.count()), before)

    def test_a_scope_stands_before_the_key_and_is_short(self) -> None:
        with policy(Behind), self.assertRaisesRegex(DurableError, "before the key"):
            access.scope_of(self.eve)

    def test_a_key_that_is_too_long_with_its_scope_still_fits(self) -> None:
        long = "k" * 255
        self.assertLessEqual(len(sizes.scoped("globex/", long)), 255)
        publishing.publish(self.kim, "paid", 1, key=long, event_id=None)
        mine = starting.start(self.kim, self.workflow("listen"), {"id": long}, StartOptions())
        drain()
        mine.refresh_from_db()
        self.assertEqual(mine.status, "completed")


class StartingTests(KeyCase):
    """What a user's hand starts has the tags of the policies, and their consent."""

    def test_all_that_is_started_has_the_tags_and_the_scope(self) -> None:
        for attack in self.attacks("order:1"):
            with self.subTest(door=attack.door, attack=attack.name), undone():
                before = set(Execution.objects.values_list("pk", flat=True))
                attack.call(self.eve)
                drain()
                new = Execution.objects.exclude(pk__in=before)
                self.assertTrue(new.exists())
                self.assertEqual(
                    {(one.tags.get("tenant"), one.scope) for one in new}, {("globex", "globex/")}
                )

    def test_slots_and_runs_of_a_schedule_are_of_whoever_made_it(self) -> None:
        row = self.schedule
        with time_travel(schedules=True):
            advance(days=1)
        fire.trigger(row.name, by=None)
        started = Execution.objects.filter(workflow="order")
        self.assertEqual(started.count(), 2)
        for one in started:
            self.assertEqual((one.tags, one.scope), ({"tenant": "globex"}, "globex/"))
        starting.schedule(self.kim, row, Cron("0 8 * * *", name=row.name, input=self.order))
        row.refresh_from_db()
        self.assertEqual((row.tags, row.scope), ({"tenant": "globex"}, "globex/"))

    def test_without_the_consent_of_the_policies_nothing_starts_by_any_way(self) -> None:
        done = starting.start(self.eve, self.workflow("order"), self.order, StartOptions())
        durable.cancel(done.pk)
        pk = self.schedule.pk
        new = {"name": "n", "cron": "0 9 * * *", "timezone": "UTC", "workflow": "order"}
        attacks = [
            rest("start", "executions/", {"workflow": "order", "input": {}}),
            rest("rerun", f"executions/{done.pk}/rerun/", {}),
            rest("trigger", f"schedules/{self.schedule.name}/trigger/", {}),
            rest("publish", "events/", {"name": "ordered", "payload": {}}),
            admin("start", "workflow", "order", input="{}"),
            admin("rerun", "execution_act", done.pk, "rerun", confirmed="1"),
            admin("run", "schedule_act", pk, "run"),
            admin("add", "schedule_add", input="{}", catch_up="latest", overlap="allow", **new),
            command("run", "order"),
            command("rerun", done.pk),
            command("schedules", "trigger", self.schedule.name),
            command("publish_event", "ordered", "{}"),
        ]
        self.assertDone(attacks, self.eve)
        with policy(NoStarting):
            self.assertRefused(attacks, self.eve)

    def test_the_form_of_the_admin_tells_nothing_of_anothers_execution(self) -> None:
        theirs = starting.start(
            self.kim, self.workflow("order"), self.order, StartOptions(idempotency_key="k")
        )
        Execution.objects.filter(pk=theirs.pk).update(idempotency_key="globex/k")
        for order in ('{"id": "order:1"}', '{"id": "2"}'):
            form = admin("start", "workflow", "order", input=order, idempotency_key="k")
            said = form.call(self.eve).content.decode()
            self.assertIn("this idempotency key was used before", said)
            self.assertNotIn(str(theirs.pk), said)
