"""``manage.py durable_send_event``: send an event to one execution."""

from __future__ import annotations

from argparse import ArgumentParser

from durable.doors.actions import whole
from durable.engine.start import send
from durable.management.arguments import json_of
from durable.management.base import DurableCommand, Options


class Command(DurableCommand):
    help = "Send an event to an execution. With the same --event-id it is stored only once."

    def arguments(self, parser: ArgumentParser) -> None:
        """The execution, the event and its id."""
        parser.add_argument("id", help="an execution's id, or its beginning")
        parser.add_argument("name", help="the event's name")
        parser.add_argument(
            "payload", nargs="?", help="JSON; - reads the payload from standard input"
        )
        parser.add_argument("--event-id", help="an event with the same id is stored only once")

    def answer(self, options: Options) -> None:
        """Send the event; print its id."""
        execution = self.execution(options["id"])
        self.require("send_event", whole(execution))
        given = options["payload"]
        payload = json_of(given, "the payload") if given is not None else None
        event = send.send_event(
            execution.pk, options["name"], payload, event_id=options["event_id"], by=self.by
        )
        if self.as_json:
            self.show(
                {
                    "id": event.pk,
                    "execution": event.execution_id,
                    "name": event.name,
                    "event_id": event.event_id,
                    "created": event.created,
                }
            )
        else:
            self.say(str(event.pk))
            if not event.created:
                self.tell("it was sent before: nothing is sent again")
