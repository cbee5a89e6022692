"""Settings that would leave a door open are refused, or told of before a deployment."""

from __future__ import annotations

import base64
import re
from typing import Any
from unittest import mock

from django.contrib.auth.models import User
from django.core import mail
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, override_settings
from django.urls import reverse
from rest_framework.settings import api_settings

from durable.doors import access
from durable.models import AnswerLink, Wait
from durable.people.reach import links
from durable.rest.webhooks import sources
from durable.testing import run
from tests.cases import WorkflowTestCase
from tests.doors.rest.cases import Api
from tests.people.asking import PUBLIC, define

GOOD = "zPx3nQ8vR2tY6uJ1kL5m"
HMAC = {"scheme": "hmac", "secrets": [GOOD], "event": "type", "timestamp_header": "X-At"}


class NoRule:
    """A class that restricts nothing, though somebody believes that it does."""


def said(*, deploy: bool = True, **durable: Any) -> list[str | None]:
    """The ids of what the checks find."""
    with override_settings(DURABLE=durable):
        found = run_checks(tags=["durable"], include_deployment_checks=deploy)
    return [one.id for one in found]


class RuleTests(WorkflowTestCase):
    """A class in ``API_PERMISSIONS`` that no door would ask."""

    SETTING = {"API_PERMISSIONS": [f"{__name__}.NoRule"]}

    def test_it_is_refused_by_check(self) -> None:
        self.assertEqual(said(deploy=False, **self.SETTING), ["durable.E023"])

    def test_it_is_refused_at_every_door(self) -> None:
        boss = User.objects.create_superuser("boss")
        with override_settings(DURABLE=self.SETTING):
            self.assertRaises(ImproperlyConfigured, access.may, boss, "view")
            self.assertEqual(Api(boss).get("executions/").status_code, 500)
            browser = Client(raise_request_exception=False)
            browser.force_login(boss)
            self.assertEqual(browser.get("/admin/durable/execution/").status_code, 500)

    def test_what_is_no_class_is_refused(self) -> None:
        with override_settings(DURABLE={"API_PERMISSIONS": [f"{__name__}.said"]}):
            self.assertRaises(ImproperlyConfigured, access.policies)


class ExposureTests(WorkflowTestCase):
    """What ``check --deploy`` says."""

    def webhooks(self, **options: Any) -> list[str | None]:
        return said(WEBHOOKS={"shop": {**HMAC, **options}})

    def test_a_secret_that_can_be_guessed_is_told_of(self) -> None:
        self.assertEqual(self.webhooks(), [])
        for weak in ("x", "short", "a" * 64, "0123456789abcde"):
            with self.subTest(weak):
                self.assertEqual(self.webhooks(secrets=[GOOD, weak]), ["durable.W024"])
        key = base64.b64encode(b"short").decode()
        self.assertEqual(self.webhooks(scheme="standard", secrets=[key]), ["durable.E021"])
        standard = {"shop": {"scheme": "standard", "secrets": [key]}}
        self.assertEqual(said(WEBHOOKS=standard), ["durable.W024"])

    def test_a_secret_in_the_environment_is_looked_at_too_and_never_printed(self) -> None:
        setting = {"WEBHOOKS": {"shop": {**HMAC, "secrets": ["env:WEAK"]}}}
        with override_settings(DURABLE=setting), self.environment(WEAK="tiny"):
            (found,) = run_checks(tags=["durable"], include_deployment_checks=True)
        self.assertEqual(found.id, "durable.W024")
        self.assertIn("env:WEAK", found.msg)
        self.assertNotIn("tiny", found.msg)

    def test_blanks_are_no_secret(self) -> None:
        for blank in (" ", "\t\n", "env: "):
            with self.subTest(repr(blank)):
                options = {"shop": {**HMAC, "secrets": [blank]}}
                self.assertEqual(said(deploy=False, WEBHOOKS=options), ["durable.E021"])
        with self.environment(BLANK="  "):
            setting = {"WEBHOOKS": {"shop": {**HMAC, "secrets": ["env:BLANK"]}}}
            with override_settings(DURABLE=setting), self.assertLogs("durable.webhooks"):
                source = sources.find("shop")
                assert source is not None
                self.assertEqual(source.keys(), [])

    def test_a_webhook_that_can_be_sent_again_is_told_of(self) -> None:
        plain = {"timestamp_header": None}
        self.assertEqual(self.webhooks(**plain), ["durable.W025"])
        self.assertEqual(self.webhooks(**plain, id="header:X-Id"), ["durable.W025"])
        self.assertEqual(self.webhooks(**plain, id="{header:X-Id}-{id}"), ["durable.W025"])
        self.assertEqual(self.webhooks(**plain, id="data.id"), [])

    def test_links_over_http_are_told_of(self) -> None:
        for address, found in (
            ("http://example.com", ["durable.W026"]),
            ("HTTP://example.com", ["durable.W026"]),
            ("https://example.com", []),
        ):
            with self.subTest(address):
                self.assertEqual(said(PUBLIC_URL=address), found)
                self.assertEqual(said(deploy=False, PUBLIC_URL=address), [])

    def test_rates_by_address_without_the_number_of_proxies_are_told_of(self) -> None:
        for scope in ("durable", "durable_write", "durable_webhook"):
            for proxies, found in ((None, ["durable.W027"]), (0, []), (2, [])):
                with self.subTest(scope, proxies=proxies), self.rates({scope: "9/min"}, proxies):
                    self.assertEqual(said(), found)
        with self.rates({"others": "9/min"}, None):
            self.assertEqual(said(), [])

    def rates(self, rates: dict[str, str], proxies: int | None) -> Any:
        given = {"DEFAULT_THROTTLE_RATES": rates, "NUM_PROXIES": proxies}
        self.addCleanup(api_settings.reload)
        return override_settings(REST_FRAMEWORK=given)

    def environment(self, **values: str) -> Any:
        return mock.patch.dict("os.environ", values)


@override_settings(DURABLE={"PUBLIC_URL": PUBLIC})
class LinkTests(WorkflowTestCase):
    """Whoever could read a mail once."""

    def setUp(self) -> None:
        super().setUp()
        self.kim = User.objects.create_user("kim", "kim@example.com", "before")
        mail.outbox.clear()
        run(define(), {"kind": "approval", "options": {"assignees": ["user:kim"]}})
        self.wait = Wait.objects.get()
        (message,) = mail.outbox
        self.token = re.findall(r"/durable/answer/([^\s/]+)/", str(message.body))[0]
        self.address = reverse("durable:answer", args=[self.token])

    def changed(self) -> None:
        self.kim.set_password("after")
        self.kim.save()

    def test_a_link_is_closed_by_a_new_password(self) -> None:
        self.assertEqual(Client().get(self.address).status_code, 200)
        self.changed()
        for answer in (Client().get(self.address), Client().post(self.address)):
            self.assertContains(answer, "password", status_code=403)
        self.wait.refresh_from_db()
        self.assertEqual(self.wait.status, "open")

    def test_a_password_that_changes_while_the_answer_comes_closes_it_too(self) -> None:
        link = links.read(self.token)
        assert link is not None
        self.changed()
        self.assertRaises(links.LinkOver, links.use, link, "approved", comment="")
        self.assertIsNone(AnswerLink.objects.get(pk=link.pk).used_at)

    def test_a_link_from_before_is_good_until_its_time_is_over(self) -> None:
        AnswerLink.objects.update(account=None)
        self.changed()
        self.assertEqual(Client().get(self.address).status_code, 200)
