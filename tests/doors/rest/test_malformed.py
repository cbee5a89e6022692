"""Many malformed requests: none is answered with 5xx, none leaves a row behind."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.test import override_settings

import durable
from durable.models import Event, Execution, Wait
from durable.testing import time_travel
from tests.doors.rest.cases import Api, RestTestCase, counts

SEED = 20260302
HOW_MANY = 800
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

#: texts that are no JSON at all, or none that can be stored
RAW = [
    b"", b"{", b"}", b"[", b'"', b"{]", b"nul", b"tru", b"'a'", b"{'a': 1}", b"a=1&b=2", b"\x00",
    b"\xff\xfe", b"\xef\xbb\xbf{}", b"\xc3\x28", b"NaN", b"Infinity", b"-Infinity", b"1e400",
    b'{"workflow": NaN}', b'{"input": {"n": 1e400}}', b'{"input": {"n": -1e400}}',
    b'{"input": {"n": ' + b"9" * 5000 + b"}}", b"9" * 5000, b"[" * 100_000, b'{"a":' * 50_000,
    b"[" * 150 + b"]" * 150, b'{"input": ' + b"[" * 150 + b"]" * 150 + b"}", b'"\\ud800"',
    b'{"\\ud800": 1}', b'{"\\u0000": 1}', b'{"workflow": "\\u0000"}', b'{"workflow": "\\udfff"}',
    b'{"input": {"a\\u0000": "b"}}', b"<a/>", b"--x\r\n", b"\x1f\x8b\x08", b'{"a": 1, "a": 2,}',
    b"// {}", b"{}{}", b"{} x", "{\u201ca\u201d: 1}".encode(), b'{"a": .5}', b'{"a": 01}',
    b'{"a": +1}', b'{"a": 0x1}', b'{"name": "x", "payload": "\\ud83d"}', b" " * 70_000,
    b'{"a": "' + b"x" * 1_200_000 + b'"}', b"x" * 3_000_000,
]  # fmt: skip

#: values of all odd kinds, where something else is asked for
ODD: list[Any] = [
    None, True, False, 0, -1, 1.5, 10**30, -(10**18), "", " ", "x" * 300, "\u202e", "é" * 256,
    "../../etc", "a/b", "%00", "<script>", "' OR 1=1 --", "{{7*7}}", "${x}", [], [[]], [None],
    {}, {"": ""}, {"~t": "decimal", "~v": "x"}, {"__class__": "x"}, {"$ref": "#"}, [[[[[]]]]],
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z", "P1D",
]  # fmt: skip

FIELDS = [
    "workflow", "input", "idempotency_key", "queue", "priority", "scheduled_at", "delay", "keys",
    "subject", "tags", "name", "payload", "event_id", "key", "answer", "comment", "branch", "to",
    "reason", "compensate", "restart_step", "from_step", "limit", "__proto__", "", "\u0000",
]  # fmt: skip

KINDS = ["application/json"] * 8 + [
    "application/json; charset=utf-16", "text/plain", "multipart/form-data; boundary=x", "",
    "application/x-www-form-urlencoded", "application/problem+json", "\u00ff",
]  # fmt: skip

IDS = ["x", "0", "%00", "..", "é", "a" * 5000, "{0}", "00000000-0000-0000-0000-00000000000g"]

QUERIES = [
    "status", "tag", "subject", "key", "created_after", "created_before", "has_children", "roots",
    "cursor", "page_size", "workflow", "queue", "idempotency_key", "mine", "branch", "nothing",
]  # fmt: skip

SIGNATURES: dict[str, list[str]] = {
    "Stripe-Signature": ["t=", "t=1,v1=", "t=1,t=1,v1=a", "v1=00", f"t={'9' * 400},v1=0"],
    "X-Hub-Signature-256": ["sha256=", "sha256=zz", "sha1=00", "=", "sha256=" + "0" * 9999],
    "webhook-signature": ["v1,", "v1,!!", "v1", ",", "v1,AAAA v1,AAAA", "v2,AAAA"],
    "webhook-timestamp": ["", "0", "x", "-1", "1e400", "9" * 400, "1772452800"],
    "webhook-id": ["", "x", "x" * 5000, "\u00ff"],
    "X-Signature": ["", "00", "zz", "0" * 64, "é"],
}  # fmt: skip

SOURCES: dict[str, Any] = {
    name: {"scheme": name, "secrets": ["c2VjcmV0"], "event": "type"}
    for name in ("stripe", "github", "standard", "hmac")
}


@override_settings(DURABLE={"WEBHOOKS": SOURCES})
class MalformedTests(RestTestCase):
    """By an operator, who may do all that is asked for."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(time_travel(at=NOON))
        self.random = random.Random(SEED)
        self.row = self.ask()
        durable.schedule("plain", "0 9 * * *", name="daily")
        self.api = Api(self.operator)
        self.kinds: list[Callable[[], Any]] = [
            self.raw_body, self.raw_body, self.odd_fields, self.odd_fields, self.odd_id,
            self.odd_query, self.odd_query, self.odd_header, self.odd_method, self.webhook,
            self.webhook, self.cut_off,
        ]  # fmt: skip
        self.addresses = [
            f"executions/{self.row.pk}/{rest}"
            for rest in (
                "cancel/", "retry/", "pause/", "resume/", "rerun/", "compensate/", "events/",
                "inputs/manager/", "inputs/manager/reassign/",
            )
        ] + [
            "executions/", "events/", "schedules/daily/enable/", "schedules/daily/disable/",
            "schedules/daily/trigger/", "queues/default/limit/", "queues/default/pause/",
        ]  # fmt: skip

    def one(self, values: list[Any]) -> Any:
        return self.random.choice(values)

    def raw_body(self) -> Any:
        """What is no JSON that could be stored."""
        body = self.one([raw for raw in RAW if raw.strip()])
        return self.api.raw(self.one(self.addresses), body, self.one(KINDS))

    def odd_fields(self) -> Any:
        """An object, with one field at least that nobody asks for."""
        names = self.random.sample(FIELDS, self.random.randint(0, 4))
        body = {name: self.one(ODD) for name in names} | {"nobody_asks": self.one(ODD)}
        return self.api.post(self.one(self.addresses), body)

    def odd_id(self) -> Any:
        """An address of something that isn't there."""
        id = self.one([*IDS, str(uuid4()), str(uuid4().hex)])
        rest = self.one(["", "steps/", "cancel/", "inputs/manager/", "inputs/%00/", "graph/"])
        call = self.one([self.api.get, self.api.post])
        return call(f"{self.one(['executions', 'schedules', 'queues'])}/{id}/{rest}")

    def odd_query(self) -> Any:
        """Parameters of all kinds."""
        names = self.random.sample(QUERIES, self.random.randint(1, 3))
        query = {name: self.one([*map(str, ODD), "a:\0", "\0", "[" * 3000]) for name in names}
        if self.random.random() < 0.3:
            cursor = json.dumps(self.random.sample(ODD, 3)).encode()
            query["cursor"] = base64.urlsafe_b64encode(cursor).decode().rstrip("=")
        address = self.one(["executions/", "inputs/", "events/", "workers/", "schedules/"])
        return self.api.get(address, **query)

    def odd_header(self) -> Any:
        """Idempotency keys that no column holds, with a body that starts nothing."""
        key = self.one(["", "x" * 300, "\u00ff" * 256, "\t"])
        return self.api.post(
            "executions/", {"workflow": self.one(["", "no", 5])}, Idempotency_Key=key
        )

    def odd_method(self) -> Any:
        """Methods that an address doesn't take."""
        method = self.one(["put", "patch", "delete", "options", "trace"])
        return getattr(self.api.client, method)(f"/durable/{self.one(self.addresses)}")

    def webhook(self) -> Any:
        """Signed by nobody."""
        names = [name for name in SIGNATURES if self.random.random() < 0.7]
        headers = {name: self.one(SIGNATURES[name]) for name in names}
        body = self.one([*RAW, *(json.dumps(odd).encode() for odd in ODD)])
        return Api().raw(f"webhooks/{self.one([*SOURCES, 'no', '%00'])}/", body, **headers)

    def cut_off(self) -> Any:
        """A good request that ends too early, or has bytes changed that hold it together."""
        body = json.dumps({"workflow": "plain", "input": {"a": ["b", {"c": 1.5}]}}).encode()
        cut = body[: self.random.randrange(1, len(body) - 1)]
        return self.api.raw("executions/", cut)

    def test_none_is_answered_with_5xx_and_none_stores_anything(self) -> None:
        before, statuses = counts(), dict[int, int]()
        for number in range(HOW_MANY):
            ask = self.one(self.kinds)
            response = ask()
            code = response.status_code
            statuses[code] = statuses.get(code, 0) + 1
            self.assertLess(code, 500, (SEED, number, ask.__name__))
            if code >= 400 and code != 404:
                self.assertEqual(response["Content-Type"], "application/problem+json", number)
            if number % 100 == 99:
                self.assertEqual(counts(), before, (SEED, number))
        self.assertEqual(counts(), before)
        self.row.refresh_from_db()
        self.assertEqual(self.row.status, "waiting")
        self.assertFalse(Event.objects.exists())
        self.assertEqual((Execution.objects.count(), Wait.objects.open().count()), (1, 1))
        self.assertLessEqual({400, 401, 404, 405, 413, 415}, set(statuses), statuses)
        self.assertLess(statuses.get(200, 0), HOW_MANY / 5, statuses)
