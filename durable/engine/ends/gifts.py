"""Write which event answers which wait: for many waits and events at once, or not at all."""

from __future__ import annotations

import sys
from typing import Any
from uuid import UUID

from django.db import models

from durable import codec
from durable.models import Event, Wait
from durable.models.fields import Stored
from durable.models.given import Among, ByKey
from durable.states import WaitKind, WaitStatus
from durable.storage.statement import Statement
from durable.storage.transaction import Overtaken

_ANSWER = Statement(
    lambda ids, answers, received: Wait.objects.filter(Among("id", ids)).resolve(
        WaitStatus.ANSWERED,
        answer=ByKey("id", answers, models.TextField()),
        received=ByKey("id", received, models.TextField()),
    )
)
_RECEIVE = Statement(
    lambda ids, received: (
        Wait.objects.filter(Among("id", ids))
        .open()
        .update(received=ByKey("id", received, models.TextField()))
    )
)
_CONSUME = Statement(
    lambda ids, waits: Event.objects.filter(Among("id", ids)).consume(
        ByKey("id", waits, models.UUIDField())
    )
)


class Gifts:
    """Events given to waits, written together. The caller holds the locks of the roots."""

    def __init__(self) -> None:
        self._taken: dict[UUID, UUID] = {}  # the wait that takes an event
        self._answers: dict[UUID, Stored] = {}  # by wait
        self._several: dict[UUID, Wait] = {}  # the waits for all of several events
        self.answered: set[UUID] = set()  # the executions whose wait is answered

    def add(self, event: Event, wait: Wait) -> None:
        """Let ``wait`` take ``event``; it is answered, unless it waits for others, too."""
        self._taken[event.pk] = wait.pk
        answer: Any = event.payload
        if wait.kind == WaitKind.ALL:
            self._several[wait.pk] = wait
            wait.received = received = wait.received or {}
            received[event.name] = event.payload
            if not received.keys() >= set(wait.names):
                return
            answer = {name: received[name] for name in wait.names}
        elif wait.kind == WaitKind.ANY:
            answer = event.name, event.payload
        self._answers[wait.pk] = _stored(answer)
        self.answered.add(wait.execution_id)
        wait.status = WaitStatus.ANSWERED

    def write(self) -> None:
        """Resolve the waits and consume the events; ``Overtaken`` if one of them is gone."""
        received = {pk: _stored(wait.received) for pk, wait in self._several.items()}
        partly = {pk: one for pk, one in received.items() if pk not in self._answers}
        written = 0
        if self._answers:
            written += _ANSWER(ids=list(self._answers), answers=self._answers, received=received)
        if partly:
            written += _RECEIVE(ids=list(partly), received=partly)
        if self._taken:
            written += _CONSUME(ids=list(self._taken), waits=self._taken)
        if written != len(self._answers) + len(partly) + len(self._taken):
            raise Overtaken("a wait was resolved, or an event consumed, since it was read")


def _stored(value: Any) -> Stored:
    """Payloads as stored text, without a size limit: each was checked when it was sent."""
    return Stored(codec.dumps(value, limit=sys.maxsize))
