"""Webhooks as providers send them: whatever they say, none is refused for its contents."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from unittest import mock
from urllib.parse import urlencode

from django.core.handlers.asgi import ASGIRequest
from django.test import Client, override_settings
from django.urls import resolve

import durable
from durable import Data, OnEvent, Workflow, step
from durable.management.doctor.rounds import diagnose
from durable.models import Event, IgnoredWebhooks
from durable.rest.base import bodies
from durable.testing import time_travel
from tests.doors.rest import webhook_events as sent
from tests.doors.rest.cases import Api, RestTestCase

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class ReceivingTestCase(RestTestCase):
    """The sources of the documentation."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(time_travel(at=NOON))
        self.enterContext(mock.patch.dict(os.environ, sent.SECRETS))
        self.configure()
        self.api = Api()

    def configure(self, source: str = "github", **options: Any) -> None:
        """The documented sources, one of them with other options."""
        sources = sent.documented()
        sources[source] = {**sources[source], **options}
        self.enterContext(override_settings(DURABLE={"WEBHOOKS": sources}))

    def send(self, source: str, body: bytes, headers: Any, kind: str = "application/json") -> Any:
        return self.api.raw(f"webhooks/{source}/", body, kind, **headers)

    def accepted(
        self, source: str, body: bytes, headers: Any, kind: str = "application/json"
    ) -> Any:
        """It is taken in and stored; the event."""
        known = set(Event.objects.values_list("pk", flat=True))
        answer = self.send(source, body, headers, kind)
        self.assertEqual((answer.status_code, answer.body), (202, {"status": "accepted"}))
        return Event.objects.exclude(pk__in=known).get()


class OtherwiseTests(ReceivingTestCase):
    """What becomes of webhooks that fit no template: ignored, kept or refused."""

    def test_no_webhook_of_the_documented_sources_is_refused(self) -> None:
        for source, body, headers, fits in sent.everything(NOON):
            with self.subTest(source, body=body[:60], fits=fits):
                before = Event.objects.count()
                answer = self.send(source, body, headers)
                status = "accepted" if fits else "ignored"
                self.assertEqual((answer.status_code, answer.body), (202, {"status": status}))
                self.assertEqual(Event.objects.count() - before, int(fits))

    def test_ignored_ones_are_counted_and_logged_and_the_doctor_tells(self) -> None:
        ignored = [one for one in sent.everything(NOON) if not one[3]]
        with self.assertLogs("durable.webhooks", "INFO") as logs:
            for source, body, headers, _ in ignored:
                self.send(source, body, headers)
        self.assertEqual(len(logs.output), len(ignored))
        self.assertIn("github", logs.output[0])
        self.assertIn("there is no text or whole number at action", logs.output[0])
        row = IgnoredWebhooks.objects.get(source="stripe")
        self.assertEqual((row.count, row.last_at), (10, NOON))
        self.assertIn("data.object.metadata.order_id", row.last_reason)
        self.assertEqual(sum(one.count for one in IgnoredWebhooks.objects.all()), len(ignored))
        found = {one.samples[0]: one for one in diagnose() if one.code == "webhooks-ignored"}
        self.assertEqual(set(found), {"github", "payments", "stripe"})
        self.assertEqual((found["stripe"].severity, found["stripe"].count), ("info", 10))

    def test_keep_stores_them_under_their_name_without_a_key_where_they_are_seen(self) -> None:
        self.configure("github", otherwise="keep")
        body = sent.text(sent.GITHUB_EVENTS[1][1])
        event = self.accepted("github", body, sent.github(body, "push", "d-1"))
        self.assertEqual((event.name, event.key, event.event_id), ("push", "", "github:d-1"))
        self.assertEqual(
            self.send("github", body, sent.github(body, "push", "d-1")).status_code, 202
        )
        self.assertEqual(Event.objects.count(), 1)
        body = sent.text(sent.GITHUB_EVENTS[5][1])  # it has an action, but no issue
        event = self.accepted("github", body, sent.github(body, "pull_request", "d-2"))
        self.assertEqual((event.name, event.key), ("github.pull_request.opened", ""))
        durable.testing.drain()
        kept = self.as_viewer.get("events/", status="kept").body["results"]
        self.assertEqual({one["name"] for one in kept}, {"push", "github.pull_request.opened"})

    def test_keep_stores_what_names_nothing_at_all_under_the_name_of_its_source(self) -> None:
        self.configure("payments", otherwise="keep", id="data.id")
        for number, payload in enumerate(([], 5, None, {"type": "x" * 256}, {"type": ""})):
            body = sent.text(payload)
            event = self.accepted("payments", body, sent.standard(body, NOON, f"msg_{number}"))
            self.assertEqual((event.name, event.key, event.event_id), ("payments", "", None))
            self.assertEqual(event.payload, payload)

    def test_refuse_answers_422_and_stores_nothing(self) -> None:
        self.configure("github", otherwise="refuse")
        body = sent.text(sent.GITHUB_EVENTS[0][1])
        answer = self.assertNothingStored(
            lambda: self.send("github", body, sent.github(body, "ping", "d-1"))
        )
        self.assertProblem(answer, 422, "action")


class FormTests(ReceivingTestCase):
    """GitHub's default: a form with the payload in one field."""

    def test_the_payload_of_a_form_is_the_event(self) -> None:
        payload = sent.GITHUB_EVENTS[2][1]
        body = urlencode({"payload": sent.text(payload)}).encode()
        for kind in (sent.FORM, f"{sent.FORM}; charset=utf-8", sent.FORM.upper()):
            with self.subTest(kind):
                headers = sent.github(body, "issues", f"d-{kind}")
                event = self.accepted("github", body, headers, kind)
                self.assertEqual(event.payload, payload)
                self.assertEqual(event.key, "octocat/Hello-World#1347")

    def test_the_signature_is_over_the_form_as_it_came(self) -> None:
        payload = sent.text(sent.GITHUB_EVENTS[2][1])
        body = urlencode({"payload": payload}).encode()
        headers = sent.github(payload, "issues", "d-1")  # of the JSON inside
        answer = self.assertNothingStored(lambda: self.send("github", body, headers, sent.FORM))
        self.assertProblem(answer, 401)

    def test_a_form_that_cant_be_read_is_400(self) -> None:
        for body in (
            b"paylaod=%7B%7D", b"payload=%7B", b"payload=", b"payload=%22%FF%22", b"payload=%00",
            b"payload=%7B%7D&payload=%7B%7D", b"&" * 5000 + b"payload={}",
        ):  # fmt: skip
            with self.subTest(body[:20]):
                headers = sent.github(body, "issues", "d-1")
                answer = self.assertNothingStored(
                    lambda: self.send("github", body, headers, sent.FORM)  # noqa: B023
                )
                self.assertProblem(answer, 400)

    def test_json_that_is_called_a_form_stays_json(self) -> None:
        body = sent.text({**sent.GITHUB_EVENTS[2][1], "url": "https://a.example/?a=1&payload=2"})
        event = self.accepted("github", body, sent.github(body, "issues", "d-1"), sent.FORM)
        self.assertEqual(event.name, "github.issues.opened")


class SvixTests(ReceivingTestCase):
    """Standard Webhooks under the names that Svix gives to their headers."""

    def test_svix_headers_are_as_good_as_the_standard_ones(self) -> None:
        body = sent.text(sent.STANDARD_EVENTS[0][0])
        event = self.accepted("payments", body, sent.standard(body, NOON, "msg_2", "svix"))
        self.assertEqual((event.name, event.event_id), ("payment.success", "payments:msg_2"))
        again = self.send("payments", body, sent.standard(body, NOON, "msg_2", "svix"))
        self.assertEqual((again.status_code, Event.objects.count()), (202, 1))

    def test_only_the_signed_headers_name_the_delivery(self) -> None:
        body = sent.text(sent.STANDARD_EVENTS[0][0])
        svix, own = sent.standard(body, NOON, "a", "svix"), sent.standard(body, NOON, "a")
        for number, (signed, added) in enumerate(
            [(svix, {"webhook-id": "b"}), (own, {"svix-id": "b"})]
        ):
            for template in ("header:webhook-id", "header:svix-id"):
                self.configure("payments", id=template)
                self.send("payments", body, {**signed, **added})
                self.assertEqual(
                    set(Event.objects.values_list("event_id", flat=True)), {"payments:a"}, number
                )

    def test_a_wrong_signature_or_time_is_refused_under_both_names(self) -> None:
        body = sent.text(sent.STANDARD_EVENTS[0][0])
        for family in ("webhook", "svix"):
            good = sent.standard(body, NOON, "msg_3", family)
            for change in ("id", "timestamp", "signature"):
                for value in ("", "1", "v1,AAAA"):
                    headers = {**good, f"{family}-{change}": value}
                    self.assertProblem(self.send("payments", body, headers), 401)
        other = {"svix-signature": sent.standard(body, NOON, "msg_3")["webhook-signature"]}
        self.assertProblem(self.send("payments", body, other), 401)
        self.assertEqual(Event.objects.count(), 0)


class Counting(BytesIO):
    """A body that has no length beforehand; it counts what is taken of it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self.taken += len(found)
        return found


class ChunkedTests(ReceivingTestCase):
    """Bodies without a Content-Length."""

    def chunked(self, path: str, body: bytes, client: Client | None = None, **headers: str) -> Any:
        """Sent in chunks, through a server that marks the end of the input, as gunicorn does."""
        self.stream = Counting(body)
        extra: Any = {
            "wsgi.input": self.stream,
            "wsgi.input_terminated": True,
            "CONTENT_TYPE": "application/json",
        }
        return (client or Client()).post(
            f"/durable/{path}", b"", "application/json",
            headers={"Transfer-Encoding": "chunked", **headers}, **extra,
        )  # fmt: skip

    def test_a_webhook_in_chunks_is_taken_in(self) -> None:
        body = sent.text({"door": 7})
        answer = self.chunked("webhooks/door/", body, **sent.doors(body, NOON))
        self.assertEqual(answer.status_code, 202, answer.content)
        self.assertEqual(Event.objects.get().payload, {"door": 7})

    def test_a_body_in_chunks_is_read_no_further_than_it_may_be_large(self) -> None:
        body = sent.text({"door": "x" * 4_000_000})
        answer = self.assertNothingStored(
            lambda: self.chunked("webhooks/door/", body, **sent.doors(body, NOON))
        )
        self.assertEqual(answer.status_code, 413)
        self.assertLessEqual(self.stream.taken, bodies.largest() + 1)

    def test_an_empty_body_in_chunks_is_no_body(self) -> None:
        answer = self.chunked("webhooks/door/", b"", **sent.doors(b"", NOON))
        self.assertEqual(answer.status_code, 401)

    def test_every_other_address_takes_chunks_too(self) -> None:
        body = sent.text({"workflow": "plain", "input": {"a": 1}, "tags": {"tenant": "acme"}})
        answer = self.chunked("executions/", body, self.as_operator.client)
        self.assertEqual(answer.status_code, 201, answer.content)
        execution = durable.list_executions().get()
        self.assertEqual(execution.input, {"a": 1})
        answer = self.chunked(f"executions/{execution.pk}/pause/", b"", self.as_operator.client)
        self.assertEqual(answer.status_code, 200, answer.content)

    def test_an_asgi_server_says_no_length_either(self) -> None:
        body = sent.text({"door": 8})
        path = "/durable/webhooks/door/"
        headers = [
            (name.lower().encode(), value.encode())
            for name, value in sent.doors(body, NOON).items()
        ]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
        found = resolve(path)
        answer = found.func(ASGIRequest(scope, BytesIO(body)), **found.kwargs)
        self.assertEqual(answer.status_code, 202)
        self.assertEqual(Event.objects.get().payload, {"door": 8})


class TriggerTests(ReceivingTestCase):
    """A provider can't change what it sends."""

    def test_a_webhook_that_its_only_trigger_can_not_take_is_kept_not_refused(self) -> None:
        first = sent.text({"door": 9})
        name = self.accepted("door", first, sent.doors(first, NOON)).name

        class Opened(Workflow):
            class Meta:
                triggers = [OnEvent(name)]
                key = staticmethod(lambda data: data["house"]["number"])

            @step
            def note(self, data: Data) -> None: ...

        with self.assertRaises(durable.DurableError):
            durable.publish_event(name, {"door": 10})
        body = sent.text({"door": 10})
        self.assertEqual(self.accepted("door", body, sent.doors(body, NOON)).status, "pending")


class TakenIdTests(ReceivingTestCase):
    """An id that stands for something else already swallows no webhook."""

    def test_another_webhook_under_the_same_id_is_stored_beside_the_first_and_logged(self) -> None:
        self.configure("payments", id="data.order_id")
        first = {"type": "payment.success", "data": {"order_id": "A-1", "amount": 80}}
        others = [
            {**first, "type": "payment.refunded"},
            {**first, "data": {"order_id": "A-1", "amount": 81}},
        ]
        body = sent.text(first)
        self.accepted("payments", body, sent.standard(body, NOON))
        for other in others:
            body = sent.text(other)
            with self.assertLogs("durable.webhooks", "WARNING") as logs:
                event = self.accepted("payments", body, sent.standard(body, NOON))
            self.assertIn("payments:A-1", logs.output[0])
            self.assertEqual((event.name, event.payload), (other["type"], other))
        for payload in (first, *others):  # each of them once, however often it comes
            body = sent.text(payload)
            self.assertEqual(
                self.send("payments", body, sent.standard(body, NOON)).status_code, 202
            )
        self.assertEqual(Event.objects.count(), 3)

    def test_what_somebody_else_has_published_under_the_id_swallows_none(self) -> None:
        durable.publish_event("mine", {"a": 1}, event_id="payments:msg_1")
        body = sent.text(sent.STANDARD_EVENTS[0][0])
        with self.assertLogs("durable.webhooks", "WARNING"):
            event = self.accepted("payments", body, sent.standard(body, NOON))
        self.assertEqual((event.name, event.key), ("payment.success", "A-1"))

    def test_the_longest_id_leaves_room(self) -> None:
        self.configure("payments", id="data.id")
        for number in range(2):
            payload = {"type": "t", "data": {"order_id": "A", "id": "x" * 246, "n": number}}
            body = sent.text(payload)
            self.accepted("payments", body, sent.standard(body, NOON))

    def test_stripes_count_of_addresses_left_makes_no_other_webhook(self) -> None:
        payload = sent.STRIPE_EVENTS[0][0]
        for pending in (2, 1, 0):
            body = sent.text({**payload, "pending_webhooks": pending})
            with self.assertNoLogs("durable.webhooks", "WARNING"):
                self.send("stripe", body, sent.stripes(body, NOON))
        self.assertEqual(Event.objects.count(), 1)
        body = sent.text({**payload, "type": "other"})
        self.accepted("stripe", body, sent.stripes(body, NOON))
        body = sent.text({**payload, "type": "other", "pending_webhooks": 1})
        self.assertEqual(self.send("stripe", body, sent.stripes(body, NOON)).status_code, 202)
        self.assertEqual(Event.objects.count(), 2)
