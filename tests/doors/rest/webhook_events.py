"""Webhooks as GitHub, Stripe and Svix send them, shortened, with their signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import stripe

from tests.typing.readme import blocks

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "receive-webhooks.md"

STRIPE, GITHUB, DOOR = "whsec_c3RyaXBlLW5ldw", "It's a Secret to Everybody", "door-secret"
PAYMENTS = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

SECRETS = {
    "STRIPE_SECRET": STRIPE,
    "STRIPE_SECRET_BEFORE": "whsec_b2xk",
    "GITHUB_SECRET": GITHUB,
    "PAYMENTS_SECRET": PAYMENTS,
    "DOOR_SECRET": DOOR,
}

FORM = "application/x-www-form-urlencoded"

Headers = dict[str, str]


def documented() -> dict[str, Any]:
    """The sources as the documentation's page sets them."""
    (block,) = (one.text for one in blocks(PAGE, "python") if "STRIPE_SECRET_BEFORE" in one.text)
    found: dict[str, Any] = {}
    exec(block, found)
    sources: dict[str, Any] = found["DURABLE"]["WEBHOOKS"]
    return sources


REPOSITORY = {"id": 1296269, "full_name": "octocat/Hello-World", "private": False}
SENDER = {"login": "octocat", "id": 1, "type": "User"}
WHERE = {"repository": REPOSITORY, "sender": SENDER}
ISSUE = {"number": 1347, "title": "Found a bug — “ü”", "state": "open", "labels": []}
PULL = {"number": 42, "state": "open", "merged": False, "head": {"ref": "topic", "sha": "6dcb09b"}}
SHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e"

#: Event, payload, and whether the documented source knows what to do with it.
GITHUB_EVENTS: list[tuple[str, dict[str, Any], bool]] = [
    (
        "ping",
        {
            "zen": "Keep it logically awesome.",
            "hook_id": 30,
            "hook": {"type": "Repository", "events": ["*"], "active": True},
            **WHERE,
        },
        False,
    ),
    (
        "push",
        {
            "ref": "refs/heads/main",
            "before": "0" * 40,
            "after": SHA,
            "created": False,
            "deleted": False,
            "commits": [{"id": SHA, "message": "Fix", "added": [], "modified": ["README.md"]}],
            "pusher": {"name": "octocat", "email": "octocat@github.com"},
            **WHERE,
        },
        False,
    ),
    ("issues", {"action": "opened", "issue": ISSUE, **WHERE}, True),
    ("issues", {"action": "labeled", "issue": ISSUE, "label": {"name": "bug"}, **WHERE}, True),
    (
        "issue_comment",
        {"action": "created", "issue": ISSUE, "comment": {"id": 1, "body": "+1"}, **WHERE},
        True,
    ),
    (
        "pull_request",
        {"action": "opened", "number": 42, "pull_request": PULL, **WHERE},
        False,
    ),
    (
        "pull_request_review",
        {
            "action": "submitted",
            "review": {"id": 80, "state": "approved", "body": None},
            "pull_request": PULL,
            **WHERE,
        },
        False,
    ),
    (
        "check_run",
        {
            "action": "completed",
            "check_run": {"id": 4, "conclusion": "success", "head_sha": SHA, "pull_requests": []},
            **WHERE,
        },
        False,
    ),
    (
        "workflow_run",
        {"action": "requested", "workflow_run": {"id": 3, "run_number": 7}, **WHERE},
        False,
    ),
    (
        "status",
        {"id": 9, "sha": SHA, "state": "success", "context": "ci", "branches": [], **WHERE},
        False,
    ),
    ("create", {"ref": "v1", "ref_type": "tag", "master_branch": "main", **WHERE}, False),
    ("delete", {"ref": "topic", "ref_type": "branch", "pusher_type": "user", **WHERE}, False),
    (
        "fork",
        {"forkee": {"id": 2, "full_name": "hubot/Hello-World"}, **WHERE},
        False,
    ),
    ("gollum", {"pages": [{"page_name": "Home", "action": "edited"}], **WHERE}, False),
    ("public", WHERE, False),
    ("release", {"action": "published", "release": {"id": 5, "tag_name": "v1"}, **WHERE}, False),
    ("star", {"action": "deleted", "starred_at": None, **WHERE}, False),
    (
        "installation",
        {
            "action": "created",
            "installation": {"id": 2, "account": SENDER},
            "repositories": [{"id": 1296269, "full_name": "octocat/Hello-World"}],
            "sender": SENDER,
        },
        False,
    ),
    ("organization", {"action": "member_added", "organization": {"login": "github"}}, False),
]


def _stripe(type: str, number: int, **object: Any) -> dict[str, Any]:
    return {
        "id": f"evt_1MqqbKLt4dXK03v5qaI{number:03}",
        "object": "event",
        "api_version": "2024-06-20",
        "created": 1680064028,
        "type": type,
        "livemode": False,
        "pending_webhooks": 2,
        "request": {"id": None, "idempotency_key": None},
        "data": {"object": object},
    }


ORDERED = {"metadata": {"order_id": "A-1"}}

#: Payload, and whether the documented source knows what to do with it.
STRIPE_EVENTS: list[tuple[dict[str, Any], bool]] = [
    (
        _stripe("checkout.session.completed", 1, id="cs_test_a1", amount_total=1950, **ORDERED),
        True,
    ),
    (_stripe("payment_intent.succeeded", 2, id="pi_1", amount=1950, **ORDERED), True),
    (_stripe("payment_intent.created", 3, id="pi_2", amount=1950, metadata={}), False),
    (_stripe("charge.succeeded", 4, id="ch_1", paid=True, metadata={}), False),
    (_stripe("charge.dispute.created", 5, id="dp_1", metadata={"order_id": ""}), False),
    (_stripe("payout.paid", 6, id="po_1", amount=1100, status="paid", metadata={}), False),
    (_stripe("balance.available", 7, object="balance", available=[{"amount": 1}]), False),
    (_stripe("customer.created", 8, id="cus_1", email=None, metadata={}), False),
    (_stripe("customer.subscription.updated", 9, id="sub_1", metadata={}), False),
    (_stripe("invoice.paid", 10, id="in_1", lines={"data": []}, metadata=None), False),
    (_stripe("account.application.deauthorized", 11, id="ca_1", name="App"), False),
    (
        {
            "id": "evt_test_65R9Ijk8dKEYZcXeRWn16R9A7j1FSQ3w3TGDPLLGSM4CW0",
            "object": "v2.core.event",
            "type": "v1.billing.meter.error_report_triggered",
            "livemode": False,
            "created": "2024-09-17T06:20:52.246Z",
            "related_object": {"id": "mtr_1", "type": "billing.meter"},
        },
        False,
    ),
]

#: Payload, and whether the documented source knows what to do with it.
STANDARD_EVENTS: list[tuple[dict[str, Any], bool]] = [
    ({"type": "payment.success", "data": {"order_id": "A-1", "amount": 80}}, True),
    (
        {"type": "payment.failed", "timestamp": "2026-03-02T11:59:59Z", "data": {"order_id": 7}},
        True,
    ),
    ({"type": "user.created", "data": {"id": "u_1"}}, False),
    ({"type": "endpoint.disabled", "data": None}, False),
    ({"test": 2432232314}, False),
    ({"event_type": "ping"}, False),
]


def text(payload: Any) -> bytes:
    """As a sender writes it."""
    return json.dumps(payload, ensure_ascii=False).encode()


def github(body: bytes, event: str, delivery: str) -> Headers:
    """Signed as GitHub's documentation says."""
    signature = hmac.new(GITHUB.encode(), body, hashlib.sha256).hexdigest()
    return {
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={signature}",
    }


def stripes(body: bytes, at: datetime) -> Headers:
    """Signed by Stripe's own library."""
    moment = int(at.timestamp())
    signature = stripe.WebhookSignature._compute_signature(f"{moment}.{body.decode()}", STRIPE)
    return {"Stripe-Signature": f"t={moment},v1={signature}"}


def standard(body: bytes, at: datetime, id: str = "msg_1", family: str = "webhook") -> Headers:
    """Signed as Standard Webhooks are; ``family="svix"`` is how Svix calls the same headers."""
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(PAYMENTS.removeprefix("whsec_"))
    digest = hmac.new(key, f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        f"{family}-id": id,
        f"{family}-timestamp": stamp,
        f"{family}-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def doors(body: bytes, at: datetime) -> Headers:
    """Signed as the documented plain source is."""
    stamp = str(int(at.timestamp()))
    signed = hmac.new(DOOR.encode(), f"{stamp}.".encode() + body, hashlib.sha256)
    return {"X-Door-Timestamp": stamp, "X-Door-Signature": signed.hexdigest()}


def everything(at: datetime) -> Iterator[tuple[str, bytes, Mapping[str, str], bool]]:
    """Source, body, headers, and whether the source knows what to do with it."""
    for number, (event, payload, fits) in enumerate(GITHUB_EVENTS):
        body = text(payload)
        yield "github", body, github(body, event, f"72d3162e-{number}"), fits
    for payload, fits in STRIPE_EVENTS:
        body = text(payload)
        yield "stripe", body, stripes(body, at), fits
    for number, (payload, fits) in enumerate(STANDARD_EVENTS):
        body = text(payload)
        yield "payments", body, standard(body, at, f"msg_{number}"), fits
    for payload in ({"door": 7}, {}, [], None):
        body = text(payload)
        yield "door", body, doors(body, at), True
