"""Store the event of a webhook once; if its id is another event's, store it under a new id."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Container
from contextlib import suppress
from dataclasses import replace
from typing import Any

from durable import codec
from durable.engine.start import send
from durable.errors import IdempotencyConflict
from durable.models import Event
from durable.rest.webhooks.meaning import Meaning

logger = logging.getLogger("durable.webhooks")


def store(meaning: Meaning, payload: Any, counters: Container[str]) -> None:
    """Store the event, unless an earlier delivery did; committed (and audited) on return.

    Payloads that differ only in ``counters`` (fields that count deliveries) are the same event.
    If another event has the id, this one gets an id made from its contents.
    """
    try:
        _publish(meaning, payload)
    except IdempotencyConflict:
        known = Event.objects.filter(execution__isnull=True, event_id=meaning.stored_id).first()
        settled = _settled(payload, counters)
        if known is not None and _repeats(known, meaning, settled, counters):
            return
        logger.warning(
            "webhook: the id %s stands for another event already: %r is stored under an id "
            "made from its contents; the source's id should differ from event to event",
            meaning.id,
            meaning.name,
        )
        with suppress(IdempotencyConflict):  # an earlier delivery was stored under this id
            _publish(_beside(meaning, settled), payload)


def _publish(meaning: Meaning, payload: Any) -> None:
    send.publish_event(
        meaning.name,
        payload,
        key=meaning.key,
        event_id=meaning.id,
        by=None,
        startable=False,
        origin=meaning.origin,
    )


def _repeats(known: Event, meaning: Meaning, settled: Any, counters: Container[str]) -> bool:
    """Whether the stored event is the same as this one."""
    return (known.name, known.key) == (meaning.name, meaning.stored_key) and codec.alike(
        _settled(known.payload, counters), settled
    )


def _settled(payload: Any, counters: Container[str]) -> Any:
    """The payload without the fields that change from one delivery to the next."""
    if not isinstance(payload, dict):
        return payload
    return {name: value for name, value in payload.items() if name not in counters}


def _beside(meaning: Meaning, settled: Any) -> Meaning:
    """The same event, under an id made from the taken id and its contents."""
    text = codec.dumps([meaning.name, meaning.key, settled], limit=1 << 40)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return replace(meaning, id=f"{meaning.id}"[:180] + f"#{digest}")
