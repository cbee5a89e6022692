"""A webhook is of the tenant that its source says: its key, its id, and what it starts."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from django.core.checks import run_checks
from django.test import override_settings

import durable
from durable import Data, OnEvent, Workflow, WorkflowMeta, step
from durable.authoring.parse import registry
from durable.doors import starting
from durable.engine.start.start import StartOptions
from durable.models import Event, Execution
from durable.testing import drain
from tests.attacks.cases import AttackCase, attacker
from tests.attacks.test_keys import Scoped, policy
from tests.doors.rest.cases import Api

SECRET = "a long enough secret of a shop"
SOURCE = {
    "scheme": "hmac",
    "secrets": [SECRET],
    "event": "type",
    "key": "order",
    "id": "id",
    "scope": "{tenant}/",
    "tags": {"tenant": "tenant", "from": "literal:shop"},
}


def settings(**changes: Any) -> Any:
    """The site has the policy of the keys' tests, and one source."""
    rules = {"API_PERMISSIONS": [f"{Scoped.__module__}.Scoped"]}
    return override_settings(DURABLE={**rules, "WEBHOOKS": {"shop": {**SOURCE, **changes}}})


class WebhookTenantTests(AttackCase):
    """Two tenants, and one shop that sends for both."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(settings())

        class Order(Workflow):
            class Meta(WorkflowMeta):
                key = "order"
                triggers = (OnEvent("ordered"),)

            @step
            def paid(self, data: Data) -> Data:
                return {"paid": self.wait_for_event("paid")["amount"]}

        with policy(Scoped):
            self.prefix = {
                name: starting.start(
                    attacker(f"{name}-user"), Order, {"order": "0"}, StartOptions()
                ).keys.get().key.removesuffix("0")
                for name in ("acme", "globex")
            }  # fmt: skip
        Execution.objects.all().delete()

    def send(self, tenant: str | None, type: str, **more: Any) -> int:
        payload = {"type": type, "order": "1", "id": "7", **more}
        if tenant is not None:
            payload["tenant"] = tenant
        body = json.dumps(payload).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        return Api().raw("webhooks/shop/", body, X_Signature=signature).status_code

    def test_scopes_are_those_of_the_policy(self) -> None:
        for name, prefix in self.prefix.items():
            self.assertEqual(SOURCE["scope"].format(tenant=name), prefix)  # type: ignore[attr-defined]

    def test_it_reaches_its_tenant_and_nobody_else(self) -> None:
        rows = {name: self.started(name) for name in ("acme", "globex")}
        drain()
        self.assertEqual(self.send("acme", "paid", amount=5), 202)
        drain()
        found = {name: Execution.objects.get(pk=row.pk).status for name, row in rows.items()}
        self.assertEqual(found, {"acme": "completed", "globex": "waiting"})

    def started(self, name: str) -> Execution:
        user = attacker(f"{name}-kim")
        return starting.start(user, registry.latest("order"), {"order": "1"}, StartOptions())

    def test_what_it_starts_is_of_the_tenant(self) -> None:
        self.assertEqual(self.send("acme", "ordered"), 202)
        drain()
        row = Execution.objects.get()
        self.assertEqual(row.tags, {"tenant": "acme", "from": "shop"})
        self.assertEqual([key.key for key in row.keys.all()], [self.prefix["acme"] + "1"])

    def test_the_same_id_of_two_tenants_is_two_events(self) -> None:
        for tenant in ("acme", "globex", "acme"):
            self.assertEqual(self.send(tenant, "paid", amount=5), 202)
        events = Event.objects.order_by("scope").values_list("scope", "event_id")
        self.assertEqual(list(events), [("acme/", "acme/shop:7"), ("globex/", "globex/shop:7")])

    def test_one_of_nobody_is_not_taken_for_somebodys(self) -> None:
        for kind, status, kept in (("ignore", 202, 0), ("refuse", 422, 0), ("keep", 202, 1)):
            with self.subTest(kind), settings(otherwise=kind):
                self.assertEqual(self.send(None, "paid", id=kind), status)
                self.assertEqual(Event.objects.count(), kept)
        self.assertEqual((Event.objects.get().key, Event.objects.get().scope), ("", ""))

    def test_a_scope_that_no_column_holds_is_refused(self) -> None:
        with settings(otherwise="refuse"):
            self.assertEqual(self.send("t" * 200, "paid"), 422)

    def test_wrong_options_are_named(self) -> None:
        for option, value in (
            ("scope", 7), ("scope", "{a"), ("tags", ["a"]), ("tags", {"a": 7}), ("tags", {"": "a"}),
        ):  # fmt: skip
            with self.subTest(option, value=value), settings(**{option: value}):
                found = [error.msg for error in run_checks(tags=["durable"])]
                self.assertTrue(any(option in one for one in found), found)

    def test_a_program_writes_the_scope_itself(self) -> None:
        row = self.started("acme")
        durable.publish_event("paid", {"amount": 1}, key=self.prefix["acme"] + "1")
        drain()
        self.assertEqual(Execution.objects.get(pk=row.pk).status, "completed")
