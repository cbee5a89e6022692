"""``manage.py durable_publish_event``: publish an event under a correlation key."""

from __future__ import annotations

from argparse import ArgumentParser

from durable.doors import publishing
from durable.management.arguments import json_of
from durable.management.base import DurableCommand, Options


class Command(DurableCommand):
    help = (
        "Publish an event to every unfinished execution with its key, or to the "
        "workflows that it triggers."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        """The event, its key and its id."""
        parser.add_argument("name", help="the event's name")
        parser.add_argument(
            "payload", nargs="?", help="JSON; - reads the payload from standard input"
        )
        parser.add_argument("--key", help="the correlation key, such as order:123")
        parser.add_argument("--event-id", help="an event with the same id is stored only once")

    def answer(self, options: Options) -> None:
        """Publish the event; print its id."""
        given = options["payload"]
        payload = json_of(given, "the payload") if given is not None else None
        event = publishing.publish(
            self.by, options["name"], payload, key=options["key"], event_id=options["event_id"]
        )
        if self.as_json:
            self.show(
                {
                    "id": event.pk,
                    "name": event.name,
                    "key": event.key,
                    "event_id": event.event_id,
                    "created": event.created,
                }
            )
        else:
            self.say(str(event.pk))
            if not event.created:
                self.tell("it was published before: nothing is published again")
