"""The views of events: list them, and publish one."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from durable.doors import access, publishing
from durable.rest.base import filters, pagination, permissions
from durable.rest.base.pagination import Order
from durable.rest.base.view import View
from durable.rest.schema import requests, serializers
from durable.rest.schema.operations import Operation, idempotency_key


class Events(View):
    """Events, the newest first; nobody has waited yet for those that are `kept`."""

    operations = {
        "GET": Operation(
            "events",
            "List events",
            {200: serializers.page_of(serializers.EventSerializer)},
            parameters=(*filters.EVENTS, *pagination.PARAMETERS),
        ),
        "POST": Operation(
            "events_publish",
            "Publish an event",
            {201: serializers.EventSerializer, 200: serializers.EventSerializer},
            takes=requests.PublishEvent,
            parameters=(idempotency_key("it becomes the event's id"),),
            problems=(409,),
        ),
    }

    def get(self, request: Request) -> Response:
        """One page of events."""
        permissions.require_events(request.user)
        rows = access.visible_events(request.user).select_related("execution")
        rows = filters.narrowed(filters.EventFilter, request, rows)
        return self.listed(
            request,
            rows,
            Order(("id",), newest_first=True),
            serializers.EventSerializer,
            reveals=self._reveals,
        )

    def _reveals(self, event: Any) -> bool:
        return access.may(self.request.user, "view_payload", event.execution)

    def post(self, request: Request) -> Response:
        """201 with the new event, or 200 with the event published earlier under the same id."""
        access.require(request.user, "publish_event")
        fields = requests.read(request, requests.PublishEvent)
        event_id = requests.once(request, fields, "event_id")
        event = publishing.publish(
            request.user,
            fields["name"],
            fields.get("payload"),
            key=fields.get("key"),
            event_id=event_id,
        )
        code = 201 if event.created else 200
        return Response(self.shown(event, code, reveals=self._reveals), code)
