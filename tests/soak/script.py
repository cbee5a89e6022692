"""What clients do with one execution: scripts that yield the seconds until their next call."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from django.db import Error, InterfaceError, OperationalError, connection

import durable
from durable import (
    AlreadyAnswered,
    IdempotencyConflict,
    InvalidTransition,
    WaitNotFound,
)
from durable.models import Event, Execution
from durable.states import Status
from tests.model.compositions import START
from tests.soak import place
from tests.soak.flows import flows
from tests.soak.plans import Plan, plan

R = TypeVar("R")

Script = Iterator[float]

LOST = (OperationalError, InterfaceError)


@dataclass
class Record:
    """What was asked for one token, and what was accepted; the judge reads it."""

    token: str
    workflow: str
    id: str = ""  # acknowledged, or found; empty: given up
    given_up: bool = False  # the answer of the start was lost
    cancelled: bool = False  # asked for, or perhaps
    cancel_accepted: bool = False
    withheld: bool = False  # its last event is never sent
    answers: list[str] = field(default_factory=list)  # accepted
    offered: list[str] = field(default_factory=list)  # perhaps accepted: the answer was lost
    reruns: int = 0
    reruns_accepted: int = 0
    met: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)


class Client:
    """The calls of one script, repeated while the database can't be reached."""

    def __init__(self, token: str, seed: int, workflow: str) -> None:
        self.dice = Random(f"{seed} {token}")
        self.record = Record(token, workflow)
        self.seed, self.token = seed, token
        self._lock = threading.Lock()
        self._lanes = 0

    # -- calls -----------------------------------------------------------------------------------

    def once(self, call: Callable[[], R]) -> R | None:
        """``None`` if the connection was lost: whether it happened is not known."""
        try:
            return call()
        except LOST:
            self.record.met["lost"] += 1
            with suppress(Error):
                connection.close()
            return None

    def surely(self, call: Callable[[], R]) -> R:
        """Again and again until there is an answer."""
        while True:
            try:
                return call()
            except LOST:
                self.record.met["lost"] += 1
                with suppress(Error):
                    connection.close()
                time.sleep(0.1)

    def complain(self, text: str) -> None:
        """Something went otherwise than promised."""
        self.record.complaints.append(text)

    # -- the life of a script --------------------------------------------------------------------

    def main(self) -> Iterator[float | Script]:
        """The start; it yields pauses, and the lanes that go on side by side."""
        if self.record.workflow == "soak_signal":
            yield from self._signal()
            return
        order: Plan | None = None
        if self.record.workflow in ("soak_order", "soak_short"):
            is_short = self.record.workflow == "soak_short"
            order = plan(self.token, self.dice, is_short=is_short)
        given = START if order is None else asdict(order)
        yield from self._start(given)
        if not self.record.id:
            return
        pk = UUID(self.record.id)
        yield self._operate(pk)
        if order is not None:
            self.record.withheld = order.pays > 0 and not order.fail and self.dice.random() < 0.03
            yield self._pay(pk, order)
            yield self._ship(pk, order)
            if order.ask:
                yield self._answer(pk, order)
        elif flows()[self.record.workflow].is_frank:
            yield self._mend(pk)
        else:
            yield self._rerun(pk)

    def _start(self, given: dict[str, Any]) -> Script:
        options: dict[str, Any] = {
            "idempotency_key": self.token,
            "tags": {"token": self.token},
            "priority": self.dice.choice([0, 0, 0, 5, -5]),
        }
        if self.dice.random() < 0.1:
            options["delay"] = timedelta(seconds=1)
        name = self.record.workflow

        def start() -> Execution:
            return durable.start(name, given, **options)

        execution = self.once(start)
        if execution is None and self.dice.random() < 0.4:
            self.record.given_up = True
            yield 3.0
            found = self.surely(lambda: list(durable.list_executions(tags={"token": self.token})))
            if len(found) > 1:
                self.complain(f"started {len(found)} times")
            if not found:
                return
            (execution,) = found
        if execution is None:
            execution = self.surely(start)
        self.record.id = str(execution.pk)
        if self.dice.random() < 0.15:
            again = self.surely(start)
            if again.pk != execution.pk or again.created:
                self.complain(f"the second start with a key made {again.pk}, not {execution.pk}")
            self.record.met["started again"] += 1
        if self.dice.random() < 0.05:
            try:
                self.surely(
                    lambda: durable.start(name, {**given, "x": 1}, idempotency_key=self.token)
                )
                self.complain("another input under the same key was taken")
            except IdempotencyConflict:
                self.record.met["conflicts"] += 1

    def _signal(self) -> Script:
        def publish() -> Event:
            return durable.publish_event(
                "soak.signal", {"token": self.token}, event_id=f"signal {self.token}"
            )

        event = self.once(publish)
        if event is None and self.dice.random() < 0.4:
            self.record.given_up = True
            return
        if event is None:
            event = self.surely(publish)
        self.record.id = "accepted"
        while self.dice.random() < 0.3:
            yield self.dice.uniform(0, 1)
            if self.surely(publish).created:
                self.complain("the same signal was taken twice")
            self.record.met["events again"] += 1

    # -- lanes -----------------------------------------------------------------------------------

    def _may_be_over(self, pk: UUID, order: Plan) -> bool:
        """Whether it is rightly finished although not everything was sent."""
        if not self.record.cancelled and order.fail != "branch":
            return False
        row = self.surely(lambda: Execution.objects.get(pk=pk))
        return row.is_finished or row.status == Status.COMPENSATING

    def _send(self, pk: UUID, order: Plan, send: Callable[[], Event], is_new: bool) -> bool:
        """Whether the execution still took it."""
        before = self.record.met["lost"]
        try:
            event = self.surely(send)
        except InvalidTransition as error:
            if not self._may_be_over(pk, order):
                self.complain(f"refused: {error}")
            return False
        sure = self.record.met["lost"] == before
        if not is_new and event.created:
            self.complain(f"an event was taken twice: {event.event_id}")
        if is_new and not event.created and sure:
            self.complain(f"an event was there before it was sent: {event.event_id}")
        self.record.met["events" if is_new else "events again"] += 1
        return True

    def _pay(self, pk: UUID, order: Plan) -> Script:
        for number in range(order.pays - self.record.withheld):
            yield self.dice.uniform(0, 2)

            def send(number: int = number) -> Event:
                name = f"{self.token} paid {number}"
                return durable.send_event(pk, "paid", number, event_id=name)

            if not self._send(pk, order, send, True):
                return
            if self.dice.random() < 0.3:
                yield self.dice.uniform(0, 2)
                self._send(pk, order, send, False)

    def _ship(self, pk: UUID, order: Plan) -> Script:
        for number in range(order.ships):
            yield self.dice.uniform(0, 2)

            def publish(number: int = number) -> Event:
                name = f"{self.token} ship {number}"
                return durable.publish_event("ship", number, key=order.order, event_id=name)

            self._send(pk, order, publish, True)
            if self.dice.random() < 0.3:
                yield self.dice.uniform(0, 2)
                self._send(pk, order, publish, False)

    def _answer(self, pk: UUID, order: Plan) -> Script:
        choices = ["approved", "rejected"] if order.ask == "approval" else ["yes", "no"]
        turns = 2 if self.dice.random() < 0.3 else 1  # who answers twice is told so
        while turns:
            yield self.dice.uniform(0.5, 3)
            answer = self.dice.choice(choices)
            before = self.record.met["lost"]
            self.record.offered.append(answer)
            try:
                self.surely(lambda answer=answer: durable.provide_input(pk, "ok", answer))
                self.record.answers.append(answer)
            except AlreadyAnswered:
                if self.record.met["lost"] == before:
                    self.record.offered.pop()
                    self.record.met["answered before"] += 1
            except WaitNotFound as error:
                self.record.offered.pop()
                row = self.surely(lambda: Execution.objects.get(pk=pk))
                if row.is_finished or row.status == Status.COMPENSATING:
                    if not self.record.cancelled and not self.record.offered and not order.fail:
                        self.complain(f"it ended without an answer: {error}")
                    return
                continue
            turns -= 1

    def _operate(self, pk: UUID) -> Script:
        """What operators do: pause and resume, or cancel."""
        roll = self.dice.random()
        if roll < 0.15:
            yield self.dice.uniform(0, 3)
            try:
                self.surely(lambda: durable.pause(pk))
            except InvalidTransition:
                self.record.met["paused too late"] += 1
            yield self.dice.uniform(0.2, 2)
            with suppress(InvalidTransition):
                self.surely(lambda: durable.resume(pk))
            self.record.met["paused"] += 1
            while self.surely(lambda: Execution.objects.get(pk=pk)).status == Status.PAUSED:
                self.complain("resumed, and yet paused")
                yield 1.0
        elif roll < 0.23:
            yield self.dice.uniform(0, 6)
            self.record.cancelled = True
            compensate = self.dice.random() < 0.5
            before = self.record.met["lost"]
            try:
                self.surely(lambda: durable.cancel(pk, "soak", compensate=compensate))
                self.record.cancel_accepted = True
            except InvalidTransition:
                self.record.met["cancelled too late"] += 1
                self.record.cancelled = self.record.met["lost"] > before

    def _mend(self, pk: UUID) -> Script:
        """Retry what has failed, until nothing of it does."""
        while True:
            yield self.dice.uniform(2, 6)
            row = self.surely(lambda: Execution.objects.get(pk=pk))
            if row.status == Status.FAILED:
                with suppress(InvalidTransition):  # the answer of the first call was lost
                    self.surely(lambda: durable.retry(pk))
                self.record.met["retried"] += 1
            elif row.is_finished:
                return

    def _rerun(self, pk: UUID) -> Script:
        """Once in a while run it once more."""
        if self.dice.random() > 0.15:
            return
        while not self.surely(lambda: Execution.objects.get(pk=pk)).is_finished:
            yield self.dice.uniform(2, 6)
        before = self.record.met["lost"]
        self.surely(lambda: durable.rerun(pk))
        self.record.reruns_accepted = 1
        self.record.reruns = 1 + self.record.met["lost"] - before


def workflow_of(number: int, seed: int) -> str:
    """The workflow of the execution of this number."""
    dice = Random(f"{seed} workflow {number}")
    roll = dice.random()
    if roll < 0.12:
        return "soak_order"
    if roll < 0.6:
        return "soak_short"
    if roll < 0.7:
        return "soak_signal"
    return dice.choice(list(flows()))


def ended() -> float:
    """The share of the faults that have happened."""
    return float(place.said("progress", "0"))
