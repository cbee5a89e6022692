"""Take a webhook in: check its signature, map it to an event, store the event once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import AuthenticationFailed, ParseError

from durable import clock, codec
from durable.conf import database
from durable.errors import NotSerializable
from durable.models import IgnoredWebhooks
from durable.rest.base import bodies
from durable.rest.base.problems import Unmappable
from durable.rest.webhooks.meaning import Meaning
from durable.rest.webhooks.schemes import verified
from durable.rest.webhooks.sources import Source
from durable.rest.webhooks.store import store

logger = logging.getLogger("durable.webhooks")

TOLERANCE = 300  # seconds that the clocks of sender and receiver may differ

FORM, FIELD = "application/x-www-form-urlencoded", "payload"


def receive(source: Source, headers: Mapping[str, str], body: bytes) -> str:
    """``"accepted"`` once the event is stored, now or before; ``"ignored"`` if no template fits it.

    Raises ``AuthenticationFailed`` unless signature and time are right: nothing of the body is
    parsed before. Raises ``ParseError`` if it is not JSON. For a webhook that fits no template,
    ``source.otherwise`` decides: counted and logged, kept without a key, or ``Unmappable``.
    """
    headers = source.scheme.headers(headers)
    verify(source, headers, body)
    payload = _payload(headers, body)
    try:
        meaning = Meaning.of(source, payload, headers)
    except Unmappable as error:
        if source.otherwise == "refuse":
            raise
        if source.otherwise == "ignore":
            logger.info("webhook %s: ignored: %s", source.name, error)
            IgnoredWebhooks.objects.note(source.name, str(error))
            return "ignored"
        meaning = Meaning.nearest(source, payload, headers)
    store(meaning, payload, source.scheme.counters)
    return "accepted"


def verify(source: Source, headers: Mapping[str, str], body: bytes) -> None:
    """Raise ``AuthenticationFailed`` unless a secret of the source has signed this body recently.

    The message does not say how the signature is wrong.
    """
    signed = source.scheme.read(headers, body, source.hmac)
    if signed is None or not verified(signed, source.keys()):
        raise AuthenticationFailed("The signature is missing or wrong.")
    if signed.timestamp is not None:
        present = clock.read(database()).timestamp()
        if abs(present - signed.timestamp) > TOLERANCE:
            raise AuthenticationFailed("The signature is too old, or from the future.")


def _payload(headers: Mapping[str, str], body: bytes) -> Any:
    """The JSON of the body, or of a form's field ``payload``; raises ``ParseError``.

    The content type does not decide: some senders (curl) call their JSON a form. A form with a
    payload is never valid JSON.
    """
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    try:
        payload = bodies.parse(body)
    except ParseError:
        if kind != FORM:
            raise
        payload = bodies.parse(bodies.form_field(body, FIELD))
    try:
        codec.check(payload, "payload")
    except NotSerializable as error:
        raise ParseError(str(error)) from None
    return payload
