"""JSON of more levels than any reader goes down, at every door that reads some."""

from __future__ import annotations

import hashlib
import hmac
import io
from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.management import CommandError, call_command
from django.test import override_settings

from durable import Data, Workflow, step
from durable.models import Execution
from durable.testing import run
from tests.attacks.cases import AttackCase, attacker, stored
from tests.doors.admin.site import browser, page
from tests.doors.rest.cases import Api

SECRET = "a long enough secret of a shop"
SOURCE = {"scheme": "hmac", "secrets": [SECRET], "event": "type"}
LEVELS = 50_000
#: as lists, as objects, of both; whole and broken off
DEEP = tuple(
    text
    for opened, closed in (("[", "]"), ('{"a":', "}"), ('[{"a":', "}]"))
    for text in (opened * LEVELS + "1" + closed * LEVELS, opened * LEVELS)
)


class AnyForm(forms.Form):
    anything = forms.JSONField()


@override_settings(DURABLE={"WEBHOOKS": {"shop": SOURCE}})
class DeepJsonTests(AttackCase):
    """Refused like any other text that is no input: without a 500, and nothing is stored."""

    def setUp(self) -> None:
        super().setUp()

        class Asks(Workflow):
            forms = {"any": AnyForm}

            @step
            def ask(self, data: Data) -> Data:
                return {"said": self.wait_for_form("q", form="any")}

        self.row: Execution = run("asks")
        self.kim = attacker("kim", "durable.approve")

    def posts(self, text: str) -> Iterator[tuple[str, Any]]:
        """The text where the door reads JSON, as a whole body and as a part of one."""
        api, client, pk = Api(self.kim), browser(self.kim), self.row.pk
        for path, name in (
            ("executions/", "input"),
            ("events/", "payload"),
            (f"executions/{pk}/events/", "payload"),
            (f"executions/{pk}/inputs/q/", "answer"),
            (f"executions/{pk}/inputs/q/reassign/", "to"),
            (f"executions/{pk}/cancel/", "reason"),
        ):
            part = f'{{"workflow": "asks", "name": "x", "{name}": {text}}}'
            for body in (text, part):
                yield path, api.raw(path, body.encode())
        signed = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        yield "webhook", api.raw("webhooks/shop/", text.encode(), X_Signature=signed)
        yield "start form", client.post(page("workflow", "asks"), {"input": text, "tags": "{}"})
        yield "tags", client.post(page("workflow", "asks"), {"input": "{}", "tags": text})
        schedule = {"name": "s", "workflow": "asks", "cron": "0 9 * * *", "input": text}
        yield "schedule", client.post(page("schedule_add"), schedule)
        wait = self.row.waits.get()
        answer = {"anything": text}
        yield "question", client.post(page("input_change", wait.pk), answer)

    def test_no_door_goes_down_with_it(self) -> None:
        before = stored()
        for text in DEEP:
            for door, answer in self.posts(text):
                with self.subTest(door=door, text=text[:8]):
                    self.assertLess(answer.status_code, 500)
        self.assertEqual(stored(), before)

    def test_nor_does_a_command(self) -> None:
        before = stored()
        for text in DEEP[:2]:
            for arguments in (
                ("run", "asks", "--input", text),
                ("publish_event", "x", text),
                ("send_event", str(self.row.pk), "x", text),
                ("provide_input", str(self.row.pk), "q", text),
            ):
                with self.subTest(arguments[0]), self.assertRaises(CommandError):
                    call_command(f"durable_{arguments[0]}", *arguments[1:], stdout=io.StringIO())
        self.assertEqual(stored(), before)

    def test_nor_does_a_list(self) -> None:
        for text in DEEP:
            for path in ("executions/?tag=a:", "executions/?cursor=", "events/?cursor="):
                with self.subTest(path):
                    self.assertIn(Api(self.kim).get(path + text[:20_000]).status_code, (200, 400))
