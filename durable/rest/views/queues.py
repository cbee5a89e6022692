"""The views of queues (list, pause, resume, limit) and the list of workers."""

from __future__ import annotations

from typing import Any

from django.db.models import BooleanField, Case, Q, Value, When
from rest_framework import serializers as fields
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from durable import clock
from durable.doors import access
from durable.engine.operators import queues as engine
from durable.engine.operators.queues import QueueState
from durable.models import Worker as Row
from durable.rest.base import pagination, permissions
from durable.rest.base.pagination import Order
from durable.rest.base.view import View
from durable.rest.schema import requests, serializers
from durable.rest.schema.operations import Operation, Parameter
from durable.rest.schema.serializers import Read

NAME = Parameter("name", "The name of a queue.", place="path")


class QueueSerializer(Read):
    """The state of a queue: paused or not, limits, depth, age of the oldest due execution."""

    name = fields.CharField()
    paused = fields.BooleanField()
    limit = fields.IntegerField(allow_null=True, help_text="Over all workers.")
    concurrency = fields.IntegerField(allow_null=True, help_text="Per worker process.")
    depth = fields.IntegerField(help_text="How many executions are due.")
    running = fields.IntegerField()
    due_since = fields.DateTimeField(allow_null=True)


class _QueueView(View):
    def states(self) -> list[QueueState]:
        """The queues that the user may see."""
        user = self.request.user
        permissions.require(user, "view_queues")
        return [one for one in engine.states() if access.may(user, "view_queues", one.name)]

    def state(self, name: str) -> QueueState:
        """The queue of this name; raises ``NotFound``."""
        found = next((one for one in self.states() if one.name == name), None)
        if found is None:
            raise NotFound("There is no queue of this name.")
        self.checked(found)
        return found


class Queues(_QueueView):
    """The queues, by name."""

    operations = {
        "GET": Operation("queues", "List queues", {200: serializers.page_of(QueueSerializer)}),
    }

    def get(self, request: Request) -> Response:
        """All queues on one page."""
        return pagination.whole(self.as_json(QueueSerializer, self.states()))


class OneQueue(_QueueView):
    """One queue."""

    operations = {
        "GET": Operation(
            "queue", "Look at a queue", {200: QueueSerializer}, parameters=(NAME,), problems=(404,)
        ),
    }

    def get(self, request: Request, name: str) -> Response:
        """The present state of the queue."""
        return Response(self.shown(self.state(name)))


class _QueueChange(_QueueView):
    """A change of a queue's settings."""

    body: type[requests.Body]

    def post(self, request: Request, name: str) -> Response:
        """Change the queue; answer with its new state."""
        self.state(name)
        access.require(request.user, "manage_queues", name)
        self.set(name, requests.read(request, self.body))
        return Response(self.shown(self.state(name)))

    def set(self, name: str, wanted: dict[str, Any]) -> None:
        """Call the engine with the wanted setting."""
        raise AssertionError("one of the settings below")


def _operation(name: str, summary: str, takes: type[requests.Body]) -> dict[str, Operation]:
    return {
        "POST": Operation(
            f"queue_{name}",
            summary,
            {200: QueueSerializer},
            takes=takes,
            parameters=(NAME,),
            problems=(404, 409),
        )
    }


class PauseQueue(_QueueChange):
    """Claim no more executions from a queue."""

    operations = _operation("pause", "Pause a queue", requests.Nothing)
    body = requests.Nothing

    def set(self, name: str, wanted: dict[str, Any]) -> None:
        """Pause the queue; running executions go on to their end."""
        engine.pause_queue(name, by=self.request.user)


class ResumeQueue(_QueueChange):
    """Claim from a queue again."""

    operations = _operation("resume", "Let a queue go on", requests.Nothing)
    body = requests.Nothing

    def set(self, name: str, wanted: dict[str, Any]) -> None:
        """Resume the queue; workers find its executions by themselves."""
        engine.resume_queue(name, by=self.request.user)


class LimitQueue(_QueueChange):
    """Bound the executions of a queue that run at once, over all workers."""

    operations = _operation("limit", "Limit a queue", requests.Limit)
    body = requests.Limit

    def set(self, name: str, wanted: dict[str, Any]) -> None:
        """Set the limit; `null` removes it."""
        engine.limit_queue(name, wanted["limit"], by=self.request.user)


class WorkerSerializer(Read):
    """A worker process."""

    id = fields.UUIDField()
    name = fields.CharField(help_text="host:pid")
    alive = fields.BooleanField()
    queues = fields.ListField(child=fields.CharField())
    kinds = fields.ListField(child=fields.CharField(), help_text="workflow@version")
    running = fields.IntegerField()
    started_at = fields.DateTimeField()
    heartbeat_at = fields.DateTimeField()
    expires_at = fields.DateTimeField()
    stopped_at = fields.DateTimeField(allow_null=True)


class Workers(View):
    """The worker processes, the newest first; stopped ones too."""

    operations = {
        "GET": Operation(
            "workers",
            "List workers",
            {200: serializers.page_of(WorkerSerializer)},
            parameters=pagination.PARAMETERS,
        )
    }

    def get(self, request: Request) -> Response:
        """One page of workers."""
        permissions.require(request.user, "view_workers")
        living = Q(stopped_at__isnull=True, expires_at__gt=clock.now())
        alive = Case(
            When(living, then=Value(True)), default=Value(False), output_field=BooleanField()
        )
        rows = Row.objects.annotate(alive=alive)

        def seen(found: Any) -> Any:
            return access.allowed(request.user, "view_workers", found)

        order = Order(("started_at", "id"), newest_first=True)
        return self.listed(request, rows, order, WorkerSerializer, keep=seen)
