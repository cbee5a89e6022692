"""Webhooks: who has signed counts, over the raw bytes, just now; each delivery is stored once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import standardwebhooks
import stripe
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import SimpleTestCase, TransactionTestCase, override_settings

import durable
from durable import Data, OnEvent, Workflow, WorkflowMeta, step
from durable.models import AuditEntry, Event, Execution
from durable.rest.webhooks import sources
from durable.testing import advance, assert_completed, drain, run, time_travel
from tests.cases import WorkflowTestCase
from tests.doors.rest.cases import Api, RestTestCase, counts

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

STRIPE, OLD_STRIPE = "whsec_c3RyaXBlLW5ldw", "whsec_c3RyaXBlLW9sZA"
GITHUB = "It's a Secret to Everybody"
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PLAIN = "plain-secret"

WEBHOOKS = {
    "stripe": {
        "scheme": "stripe",
        "secrets": [STRIPE, "env:OLD_STRIPE_SECRET"],
        "event": "type",
        "key": "order:{data.object.metadata.order_id}",
        "id": "id",
        "otherwise": "refuse",
    },
    "github": {
        "scheme": "github",
        "secrets": [GITHUB],
        "event": "github.{header:X-GitHub-Event}.{action}",
        "key": "{repository.full_name}#{issue.number}",
    },
    "standard": {"scheme": "standard", "secrets": [STANDARD], "key": "data.order"},
    "plain": {"scheme": "hmac", "secrets": [PLAIN], "event": "literal:ping", "id": "ids.0"},
    "odd": {
        "scheme": "hmac",
        "secrets": [PLAIN],
        "event": "header:X-Event",
        "header": "X-Odd",
        "prefix": "v0=",
        "algorithm": "sha512",
        "encoding": "base64",
        "timestamp_header": "X-Time",
    },
}

#: what Stripe sends when a checkout has been paid (shortened)
STRIPE_PAYLOAD = {
    "id": "evt_1MqqbKLt4dXK03v5qaIbiNCC",
    "object": "event",
    "api_version": "2024-06-20",
    "created": 1680064028,
    "type": "checkout.session.completed",
    "livemode": False,
    "pending_webhooks": 2,
    "request": {"id": None, "idempotency_key": None},
    "data": {
        "object": {
            "id": "cs_test_a1b2",
            "object": "checkout.session",
            "amount_total": 1950,
            "currency": "usd",
            "metadata": {"order_id": "A-1"},
            "payment_status": "paid",
        }
    },
}

#: what GitHub sends when an issue is opened (shortened)
GITHUB_PAYLOAD = {
    "action": "opened",
    "issue": {"number": 1347, "title": "Found a bug — “ü”", "state": "open", "labels": []},
    "repository": {"id": 1296269, "full_name": "octocat/Hello-World", "private": False},
    "sender": {"login": "octocat", "id": 1},
}

STANDARD_PAYLOAD = {
    "type": "order.paid",
    "timestamp": "2026-03-02T11:59:59.123456Z",
    "data": {"order": 17, "amount": 80},
}

Headers = dict[str, str]


def text(payload: Any) -> bytes:
    """As a sender writes it."""
    return json.dumps(payload, indent=2, ensure_ascii=False).encode()


def stripe_headers(body: bytes, secret: str = STRIPE, at: datetime = NOON) -> Headers:
    """Signed by Stripe's own library."""
    moment = int(at.timestamp())
    signature = stripe.WebhookSignature._compute_signature(f"{moment}.{body.decode()}", secret)
    return {"Stripe-Signature": f"t={moment},v1={signature},v0=6ffbb59b2300aae63f272406069a9788"}


def github_headers(body: bytes, secret: str = GITHUB, delivery: str = "72d3162e") -> Headers:
    """Signed as GitHub's documentation says."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={signature}",
        "X-Hub-Signature": "sha1=ignored",
    }


def standard_headers(
    body: bytes,
    secret: str = STANDARD,
    at: datetime = NOON,
    id: str = "msg_p5jXN8AQM9LWM0D4loKWxJek",
) -> Headers:
    """Signed by the reference library."""
    signature = standardwebhooks.Webhook(secret).sign(id, at, body.decode())
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


@override_settings(DURABLE={"WEBHOOKS": WEBHOOKS})
class SignatureTests(RestTestCase):
    """The payloads of real senders, with right and wrong signatures."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(time_travel(at=NOON))
        self.enterContext(mock.patch.dict(os.environ, {"OLD_STRIPE_SECRET": OLD_STRIPE}))
        self.api = Api()

    def send(self, source: str, body: bytes, headers: Headers) -> Any:
        return self.api.raw(f"webhooks/{source}/", body, **headers)

    def accepted(self, source: str, body: bytes, headers: Headers) -> Event:
        known = set(Event.objects.values_list("pk", flat=True))
        answer = self.send(source, body, headers)
        self.assertEqual(answer.status_code, 202, answer.content)
        return Event.objects.exclude(pk__in=known).get()

    def refused(self, source: str, body: bytes, headers: Headers, status: int = 401) -> Any:
        answer = self.assertNothingStored(lambda: self.send(source, body, headers))
        self.assertProblem(answer, status)
        return answer

    def test_a_webhook_of_stripe_becomes_an_event_under_the_orders_key(self) -> None:
        body = text(STRIPE_PAYLOAD)
        event = self.accepted("stripe", body, stripe_headers(body))
        self.assertEqual(
            (event.name, event.key, event.event_id),
            ("checkout.session.completed", "order:A-1", "stripe:evt_1MqqbKLt4dXK03v5qaIbiNCC"),
        )
        self.assertEqual(event.payload, STRIPE_PAYLOAD)
        entry = AuditEntry.objects.get()
        self.assertEqual((entry.action, entry.actor_name), ("publish_event", ""))
        self.assertEqual(entry.origin, "webhook stripe")
        self.assertEqual(entry.target, "checkout.session.completed order:A-1")

    def test_a_webhook_of_github_is_named_by_header_and_action(self) -> None:
        body = text(GITHUB_PAYLOAD)
        event = self.accepted("github", body, github_headers(body))
        self.assertEqual(
            (event.name, event.key, event.event_id),
            ("github.issues.opened", "octocat/Hello-World#1347", "github:72d3162e"),
        )
        self.assertEqual(event.payload, GITHUB_PAYLOAD)

    def test_githubs_documented_example_verifies(self) -> None:
        body = b"Hello, World!"
        signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        answer = self.refused("github", body, {"X-Hub-Signature-256": signature}, 400)
        self.assertIn("not JSON", answer.body["detail"])

    def test_a_standard_webhook_becomes_an_event(self) -> None:
        body = text(STANDARD_PAYLOAD)
        event = self.accepted("standard", body, standard_headers(body))
        self.assertEqual(
            (event.name, event.key, event.event_id),
            ("order.paid", "17", "standard:msg_p5jXN8AQM9LWM0D4loKWxJek"),
        )

    def test_the_specifications_example_verifies(self) -> None:
        body = b'{"test": 2432232314}'
        headers = {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }
        with time_travel(at=datetime.fromtimestamp(1614265330, UTC)):
            answer = self.send("standard", body, headers)
        self.assertEqual((answer.status_code, answer.body), (202, {"status": "ignored"}))

    def test_plain_hmac_signs_in_the_way_that_is_configured(self) -> None:
        body = text({"ids": ["d1"]})
        signature = hmac.new(PLAIN.encode(), body, hashlib.sha256).hexdigest()
        event = self.accepted("plain", body, {"X-Signature": signature.upper()})
        self.assertEqual((event.name, event.key, event.event_id), ("ping", "", "plain:d1"))
        stamp = str(int(NOON.timestamp()))
        digest = hmac.new(PLAIN.encode(), stamp.encode() + b"." + body, hashlib.sha512).digest()
        headers = {
            "X-Odd": f"v0={base64.b64encode(digest).decode()}", "X-Time": stamp, "X-Event": "odd",
        }  # fmt: skip
        event = self.accepted("odd", body, headers)
        self.assertEqual((event.name, event.event_id), ("odd", None))
        self.refused("odd", body, {**headers, "X-Odd": headers["X-Odd"].removeprefix("v0=")})
        self.refused("odd", body, {**headers, "X-Time": str(int(stamp) + 1)})
        self.refused("odd", body, {key: headers[key] for key in ("X-Odd", "X-Event")})

    def signers(self) -> list[tuple[str, bytes, Callable[..., Headers], str]]:
        return [
            ("stripe", text(STRIPE_PAYLOAD), stripe_headers, "Stripe-Signature"),
            ("github", text(GITHUB_PAYLOAD), github_headers, "X-Hub-Signature-256"),
            ("standard", text(STANDARD_PAYLOAD), standard_headers, "webhook-signature"),
        ]

    def test_what_is_unsigned_wrongly_signed_or_changed_is_401_and_nothing_is_stored(self) -> None:
        for source, body, sign, header in self.signers():
            good = sign(body)
            wrong = {
                "missing": {},
                "empty": {**good, header: ""},
                "without the header": {k: v for k, v in good.items() if k != header},
                "garbage": {**good, header: "\xff,=;t=1,v1=,v1,\u00e9"},
                "another secret": sign(body, secret="whsec_AAAAAAAAAAAAAAAAAAAAAAAA"),
                "cut off": {**good, header: good[header][:-40]},
                "another version": {**good, header: re.sub("v1|256", "v2", good[header])},
                "another's": next(s(body) for n, _, s, _ in self.signers() if n != source),
            }  # fmt: skip
            for name, headers in wrong.items():
                with self.subTest(source, case=name):
                    self.refused(source, body, headers)
            for name, changed in {
                "one byte more": body + b" ",
                "the same JSON, written anew": json.dumps(json.loads(body)).encode(),
                "nothing": b"",
            }.items():
                with self.subTest(source, case=name):
                    self.refused(source, changed, good)
            self.accepted(source, body, good)

    def test_each_part_of_what_a_standard_webhook_signs_counts(self) -> None:
        body = text(STANDARD_PAYLOAD)
        good = standard_headers(body)
        later = str(int(NOON.timestamp()) + 1)
        for change in ({"webhook-id": "msg_other"}, {"webhook-timestamp": later}):
            self.refused("standard", body, {**good, **change})
        for stamp in ("", "x", "-1", "1e9", "²", "9" * 13, " 1772452800"):
            self.refused("standard", body, {**good, "webhook-timestamp": stamp})

    def test_what_is_older_or_newer_than_five_minutes_is_refused(self) -> None:
        for source, body, sign, _ in self.signers():
            if source == "github":  # which has no timestamp
                continue
            for seconds, code in ((-301, 401), (301, 401), (-300, 202), (300, 202)):
                with self.subTest(source, seconds=seconds):
                    headers = sign(body, at=NOON + timedelta(seconds=seconds))
                    if code == 202:
                        self.assertEqual(self.send(source, body, headers).status_code, 202)
                    else:
                        self.refused(source, body, headers)
        body = text(STANDARD_PAYLOAD)
        headers = standard_headers(body, id="msg_replayed")
        self.accepted("standard", body, headers)
        advance(seconds=301)
        self.refused("standard", body, headers)

    def test_keys_are_rotated_on_both_sides(self) -> None:
        body = text(STRIPE_PAYLOAD)
        self.accepted("stripe", body, stripe_headers(body, OLD_STRIPE))
        new, old = stripe_headers(body), stripe_headers(body, "whsec_gone")
        both = f"{old['Stripe-Signature']},{new['Stripe-Signature'].partition(',')[2]}"
        answer = self.send("stripe", body, {"Stripe-Signature": both})
        self.assertEqual(answer.status_code, 202)
        with mock.patch.dict(os.environ):
            del os.environ["OLD_STRIPE_SECRET"]
            self.refused("stripe", body, stripe_headers(body, OLD_STRIPE))
        body = text(STANDARD_PAYLOAD)
        other = standard_headers(body, "whsec_AAAAAAAAAAAAAAAAAAAAAAAA")["webhook-signature"]
        good = standard_headers(body)
        several = f"v1a,xyz {other} {good['webhook-signature']}"
        self.accepted("standard", body, {**good, "webhook-signature": several})

    def test_without_any_secret_nobody_gets_in(self) -> None:
        body = text({"type": "x"})
        for value in (None, ""):
            options = {"scheme": "hmac", "secrets": ["env:NOT_SET"], "event": "type"}
            environment = {} if value is None else {"NOT_SET": value}
            empty = hmac.new(b"", body, hashlib.sha256).hexdigest()
            with (
                override_settings(DURABLE={"WEBHOOKS": {"open": options}}),
                mock.patch.dict(os.environ, environment),
                self.assertLogs("durable.webhooks", "ERROR"),
            ):
                self.refused("open", body, {"X-Signature": empty})

    def test_a_delivery_that_comes_again_gets_the_same_answer_and_is_stored_once(self) -> None:
        for source, body, sign, _ in self.signers():
            first = self.send(source, body, sign(body))
            again = self.assertNothingStored(
                lambda: self.send(source, body, sign(body))  # noqa: B023
            )
            self.assertEqual((first.status_code, first.content), (again.status_code, again.content))
        # Stripe counts in the payload to how many addresses it still has to deliver
        retried = text({**STRIPE_PAYLOAD, "pending_webhooks": 1})
        again = self.assertNothingStored(
            lambda: self.send("stripe", retried, stripe_headers(retried))
        )
        self.assertEqual(again.status_code, 202)

    def test_one_sources_ids_are_not_anothers(self) -> None:
        body = text({"ids": ["evt_1"]})
        signature = hmac.new(PLAIN.encode(), body, hashlib.sha256).hexdigest()
        self.accepted("plain", body, {"X-Signature": signature})
        body = text({**STRIPE_PAYLOAD, "id": "evt_1"})
        self.accepted("stripe", body, stripe_headers(body))

    def test_a_refusing_source_answers_422_to_what_says_too_little_and_stores_nothing(self) -> None:
        cases: list[dict[str, Any]] = [
            {"data": {}},
            {"data": {"object": {"metadata": {"order_id": ""}}}},
            {"data": {"object": {"metadata": {"order_id": None}}}},
            {"data": {"object": {"metadata": {"order_id": True}}}},
            {"data": {"object": {"metadata": {"order_id": 1.5}}}},
            {"data": {"object": {"metadata": {"order_id": [1]}}}},
            {"data": {"object": {"metadata": {"order_id": "x" * 300}}}},
            {"data": [1]},
            {"type": None},
            {"type": ""},
            {"type": "x" * 256},
            {"id": None},
            {"id": "x" * 250},
        ]
        for change in cases:
            with self.subTest(change=change):
                body = text({**STRIPE_PAYLOAD, **change})
                self.refused("stripe", body, stripe_headers(body), 422)
        for payload in ([], 5, "x", None, [STRIPE_PAYLOAD]):
            body = text(payload)
            self.refused("stripe", body, stripe_headers(body), 422)

    def test_what_is_signed_but_cant_be_stored_is_400(self) -> None:
        bodies = [
            b"{", b"", b"\xff\xfe{}", b"NaN", b'{"type": NaN}', b'{"n": 1e400}',
            b'{"n": "\\u0000"}', b'{"n": "\\ud800"}', b'{"\\u0000": 1}', b"[" * 100_000,
            b"[" * 101 + b"]" * 101, b'{"n": ' + b"9" * 5000 + b"}", b"\xef\xbb\xbf{}",
        ]  # fmt: skip
        for body in bodies:
            with self.subTest(body=body[:30]):
                signature = hmac.new(PLAIN.encode(), body, hashlib.sha256).hexdigest()
                code = 400 if body else 401
                self.refused("plain", body, {"X-Signature": signature}, code)

    def test_a_body_that_is_too_large_is_413_before_anybody_looks_at_it(self) -> None:
        body = text({"ids": ["x" * 2_000_000]})
        signature = hmac.new(PLAIN.encode(), body, hashlib.sha256).hexdigest()
        self.refused("plain", body, {"X-Signature": signature}, 413)
        body = text({"ids": ["x"], "more": "y" * 1_060_000})  # within the room for names
        signature = hmac.new(PLAIN.encode(), body, hashlib.sha256).hexdigest()
        self.refused("plain", body, {"X-Signature": signature}, 400)

    def test_an_unknown_source_is_404_and_get_is_405(self) -> None:
        for source in ("nobody", "%00", "é", "x" * 500):
            self.refused(source, b"{}", {}, 404)
        self.assertProblem(self.api.get("webhooks/stripe/"), 405)

    def test_senders_may_say_what_they_like_of_types(self) -> None:
        body = text(STRIPE_PAYLOAD)
        for number, (kind, accept) in enumerate(
            (("text/plain", "text/html"), ("application/x-www-form-urlencoded", "*/*; q=0.5"))
        ):
            body = text({**STRIPE_PAYLOAD, "id": f"evt_{number}"})
            answer = self.api.raw(
                "webhooks/stripe/?via=proxy", body, kind, Accept=accept, **stripe_headers(body)
            )
            self.assertEqual(answer.status_code, 202, answer.content)


@override_settings(DURABLE={"WEBHOOKS": WEBHOOKS})
class MeaningTests(RestTestCase):
    """What a webhook does to executions."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(time_travel(at=NOON))
        self.enterContext(mock.patch.dict(os.environ, {"OLD_STRIPE_SECRET": OLD_STRIPE}))

    def pay(self, order: str) -> None:
        payload = {**STRIPE_PAYLOAD, "id": f"evt_{order}"}
        payload["data"] = {"object": {"metadata": {"order_id": order}}}
        body = text(payload)
        answer = Api().raw("webhooks/stripe/", body, **stripe_headers(body))
        self.assertEqual(answer.status_code, 202)

    def test_it_reaches_whoever_waits_under_the_key_early_or_late(self) -> None:
        class Pay(Workflow):
            class Meta(WorkflowMeta):
                @staticmethod
                def key(data: Data) -> str:
                    return f"order:{data['id']}"

            @step
            def wait(self, data: Data) -> Data:
                return {"paid": self.wait_for_event("checkout.session.completed")["id"]}

        waiting = run("pay", {"id": 1})
        self.pay("1")
        self.pay("2")
        drain()
        assert_completed(waiting)
        late = run("pay", {"id": 2})
        assert_completed(late)
        self.assertEqual(late.result, {"paid": "evt_2"})

    def test_an_event_that_nobody_waits_for_is_kept_and_visible(self) -> None:
        self.pay("nobody's")
        drain()
        (event,) = self.as_viewer.get("events/", status="kept").body["results"]
        self.assertEqual(event["key"], "order:nobody's")
        self.assertEqual(event["payload"]["id"], "evt_nobody's")

    def test_without_a_key_it_starts_what_it_triggers(self) -> None:
        class Pinged(Workflow):
            class Meta(WorkflowMeta):
                triggers = [OnEvent("ping")]

            @step
            def go(self, data: Data) -> None: ...

        body = text({"ids": [5]})
        signature = hmac.new(PLAIN.encode(), body, hashlib.sha256).hexdigest()
        for _ in range(2):
            Api().raw("webhooks/plain/", body, X_Signature=signature)
        drain()
        self.assertEqual(Execution.objects.filter(workflow="pinged").count(), 1)


class AtomicRequestTests(TransactionTestCase):
    """202 says that the event is committed, also where each request is a transaction."""

    def setUp(self) -> None:
        self.enterContext(override_settings(DURABLE={"WEBHOOKS": WEBHOOKS}))
        self.enterContext(mock.patch.dict(connection.settings_dict, {"ATOMIC_REQUESTS": True}))

    def test_the_view_is_in_no_transaction_of_the_request(self) -> None:
        body = text({"ids": ["d"]})
        signature = hmac.new(PLAIN.encode(), body, hashlib.sha256).hexdigest()
        seen: list[bool] = []

        def look(*args: Any) -> Any:
            seen.append(connection.in_atomic_block)
            return original(*args)

        from durable.rest.webhooks import receive

        original = receive.verify
        with mock.patch.object(receive, "verify", look):
            answer = Api().raw("webhooks/plain/", body, X_Signature=signature)
        self.assertEqual((answer.status_code, seen), (202, [False]))
        self.assertEqual(Event.objects.count(), 1)

    def test_other_requests_are_and_a_refusal_leaves_nothing(self) -> None:
        from django.contrib.auth.models import User

        class One(Workflow):
            @step
            def go(self, data: Data) -> None: ...

        api = Api(User.objects.create_superuser("boss"))
        before = counts()
        for body in ({"workflow": "one", "tags": {"a": 1}, "queue": ""}, {"workflow": "two"}):
            self.assertEqual(api.post("executions/", body).status_code, 400)
        self.assertEqual(counts(), before)
        made = api.post("executions/", {"workflow": "one"})
        self.assertEqual(made.status_code, 201)
        done = api.post(f"executions/{made.body['id']}/resume/")
        self.assertEqual(done.status_code, 409)
        self.assertEqual(Execution.objects.count(), 1)


class SettingTests(SimpleTestCase):
    """``manage.py check`` names what is wrong with a source, and no secret of it."""

    def faults(self, **options: Any) -> list[str]:
        with override_settings(DURABLE={"WEBHOOKS": {"shop": options}}):
            return [f"{one.id} {one.msg}" for one in run_checks(tags=["durable"])]

    def test_what_is_right_passes(self) -> None:
        with (
            override_settings(DURABLE={"WEBHOOKS": WEBHOOKS}),
            mock.patch.dict(os.environ, {"OLD_STRIPE_SECRET": "x"}),
        ):
            self.assertEqual(run_checks(tags=["durable"]), [])
        self.assertEqual(self.faults(scheme="github", secrets=["s"]), [])

    def test_what_is_wrong_is_named(self) -> None:
        good: dict[str, Any] = {"scheme": "hmac", "secrets": ["s3cret"], "event": "type"}
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"scheme": "strype"}, "scheme is one of"),
            ({"scheme": None}, "scheme is one of"),
            ({"scheme": ["stripe"]}, "scheme is one of"),
            ({"evnt": "type"}, "did you mean 'event'"),
            ({"scheme": "stripe", "header": "X"}, "no option 'header' of the scheme 'stripe'"),
            ({"secrets": []}, "at least one"),
            ({"secrets": "s3cret"}, "secrets is a list"),
            ({"secrets": None}, "secrets is a list"),
            ({"secrets": [b"s"]}, "each secret is a text"),
            ({"secrets": [""]}, "each secret is a text"),
            ({"secrets": ["env:"]}, "each secret is a text"),
            ({"scheme": "standard", "secrets": ["whsec_%%%"]}, "base64"),
            ({"event": None}, "event is missing"),
            ({"event": ""}, "no text"),
            ({"event": "a..b"}, "is no path"),
            ({"event": "header:"}, "is no path"),
            ({"event": "literal:"}, "says no text"),
            ({"key": "order:{id"}, "braces"),
            ({"key": "order:{}"}, "is no path"),
            ({"id": 5}, "no text"),
            ({"id": "literal:x"}, "first webhook only"),
            ({"algorithm": "md5"}, "algorithm is one of"),
            ({"encoding": "base32"}, "encoding is one of"),
            ({"header": "X Y"}, "name of a header"),
            ({"timestamp_header": ""}, "name of a header"),
            ({"prefix": 1}, "prefix is a text"),
            ({"otherwise": "drop"}, "otherwise is one of ignore, keep, refuse, not 'drop'"),
            ({"otherwise": None}, "otherwise is one of"),
            ({"otherwise": ["keep"]}, "otherwise is one of"),
            ({"othrwise": "keep"}, "did you mean 'otherwise'"),
        ]
        for change, words in wrong:
            with self.subTest(change=change):
                found = self.faults(**{**good, **change})
                self.assertTrue(any(words in one for one in found), found)
                self.assertNotIn("s3cret", " ".join(found))
                self.assertTrue(all(one.startswith("durable.E021") for one in found), found)
                options = {"shop": {**good, **change}}
                with override_settings(DURABLE={"WEBHOOKS": options}):
                    self.assertRaises(ImproperlyConfigured, sources.find, "shop")

    def test_a_variable_that_is_not_set_is_a_warning_of_a_deployment(self) -> None:
        options = {"scheme": "hmac", "secrets": ["env:NOT_SET_AT_ALL"], "event": "type", "id": "id"}
        self.assertEqual(self.faults(**options), [])
        with override_settings(DURABLE={"WEBHOOKS": {"shop": options}}):
            (found,) = run_checks(tags=["durable"], include_deployment_checks=True)
        self.assertEqual(found.id, "durable.W022")
        self.assertIn("NOT_SET_AT_ALL", found.msg)

    def test_a_name_that_is_no_part_of_an_address_is_refused(self) -> None:
        options = {"scheme": "github", "secrets": ["s"]}
        with override_settings(DURABLE={"WEBHOOKS": {"a/b": options}}):
            self.assertEqual([one.id for one in run_checks(tags=["durable"])], ["durable.E021"])

    def test_what_api_permissions_names_must_be_there_and_be_one(self) -> None:
        for path, words in (
            ("tests.doors.rest.cases.Nothing", "Nothing"),
            ("no.such.module.Policy", "no"),
            ("tests.doors.rest.cases.Api", "neither a policy"),
            ("tests.doors.rest.cases.user", "neither a policy"),
        ):
            with override_settings(DURABLE={"API_PERMISSIONS": [path]}):
                (found,) = run_checks(tags=["durable"])
            self.assertEqual(found.id, "durable.E023")
            self.assertIn(words, found.msg)


class EmptyTests(WorkflowTestCase):
    """Nothing is configured."""

    def test_no_source_is_known(self) -> None:
        self.assertIsNone(sources.find("stripe"))
        self.assertEqual(Api().raw("webhooks/stripe/", b"{}").status_code, 404)
        self.assertFalse(durable.list_executions().exists())
