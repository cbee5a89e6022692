"""Take a webhook in: check who signed it, find out what it says, store the event once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import AuthenticationFailed, ParseError

from durable import clock, codec
from durable.conf import database
from durable.engine.start import send
from durable.errors import DurableError, IdempotencyConflict, NotSerializable
from durable.rest import bodies
from durable.rest.problems import Unmappable
from durable.rest.webhooks.schemes import verified
from durable.rest.webhooks.sources import Source
from durable.rest.webhooks.templates import Missing, Template
from durable.storage import sizes

TOLERANCE = 300  # seconds that sender and receiver may differ


def receive(source: Source, headers: Mapping[str, str], body: bytes) -> None:
    """Store the event of a webhook, unless that was done before; committed (and audited) on return.

    ``AuthenticationFailed`` unless its signature and time are right: nothing of it has been read
    by then. ``ParseError`` if it isn't JSON, ``Unmappable`` if it lacks what is looked for.
    """
    verify(source, headers, body)
    payload = bodies.parse(body)
    try:
        codec.check(payload, "payload")
    except NotSerializable as error:
        raise ParseError(str(error)) from None
    name = _text(source.event, "event", payload, headers)
    key = _text(source.key, "key", payload, headers) if source.key is not None else None
    id = f"{source.name}:{_text(source.id, 'id', payload, headers)}" if source.id else None
    try:
        for what, text in (("event", name), ("key", key), ("id", id)):
            if text is not None:
                sizes.text(what, text)
    except DurableError as error:
        raise Unmappable(str(error)) from None
    try:
        send.publish_event(name, payload, key=key, event_id=id, by=None)
    except IdempotencyConflict:
        return  # delivered before; a sender may count its attempts in the payload


def verify(source: Source, headers: Mapping[str, str], body: bytes) -> None:
    """``AuthenticationFailed`` unless somebody who knows a secret has signed just this, just now.

    It tells nobody what was wrong.
    """
    signed = source.scheme.read(headers, body, source.hmac)
    if signed is None or not verified(signed, source.keys()):
        raise AuthenticationFailed("The signature is missing or wrong.")
    if signed.timestamp is not None:
        present = clock.read(database()).timestamp()
        if abs(present - signed.timestamp) > TOLERANCE:
            raise AuthenticationFailed("The signature is too old, or from the future.")


def _text(template: Template, what: str, payload: Any, headers: Mapping[str, str]) -> str:
    try:
        return template.of(payload, headers)
    except Missing as missing:
        raise Unmappable(f"The {what} can't be told: {missing}.") from None
