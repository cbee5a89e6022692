"""The lists below one execution: its steps, waits, events, children, graph and audit trail."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from durable.authoring.nodes.graph import graph
from durable.authoring.parse import registry
from durable.doors import access
from durable.engine.start import send
from durable.models import PARTS, AuditEntry, Event, Execution, Role, StepRun, Wait
from durable.rest.base import pagination, permissions
from durable.rest.base.pagination import OLDEST, Order
from durable.rest.base.shown import Reveals
from durable.rest.schema import requests, serializers
from durable.rest.schema.operations import ID, Operation, idempotency_key
from durable.rest.schema.serializers import ExecutionSummary, Read
from durable.rest.views.found import ExecutionView, Found
from durable.storage.lookup import whole_of


def _list(name: str, summary: str, row: type[Read]) -> Operation:
    return Operation(
        f"execution_{name}",
        summary,
        {200: serializers.page_of(row)},
        parameters=(ID, *pagination.PARAMETERS),
        problems=(404,),
    )


class _List(ExecutionView):
    """Rows of one execution, in the order of their creation."""

    order: Order = OLDEST
    row: type[Read]

    def get(self, request: Request, id: str) -> Response:
        """One page of rows."""
        found = self.found(request, id)
        rows = self.rows(found)
        return self.listed(request, rows, self.order, self.row, reveals=self.reveals_of(found))

    def reveals_of(self, found: Found) -> Reveals:
        """Every row is masked by the permissions of the root."""
        whole = self.reveals(found.root)
        return lambda row: whole

    def rows(self, found: Found) -> QuerySet[Any]:
        """All rows of the list."""
        raise AssertionError("one of the lists below")


class Steps(_List):
    """The attempts of its steps and compensations, in branches and items too."""

    operations = {
        "GET": _list("steps", "List the attempts of its steps", serializers.StepRunSerializer)
    }
    order = Order(("started_at", "id"))
    row = serializers.StepRunSerializer

    def rows(self, found: Found) -> QuerySet[Any]:
        """The attempts of the execution, its branches and its items."""
        return StepRun.objects.filter(execution__in=whole_of(found.row))


class Waits(_List):
    """Its open and past waits, in branches and items too."""

    operations = {"GET": _list("waits", "List its waits", serializers.WaitSerializer)}
    order = Order(("opened_at", "id"))
    row = serializers.WaitSerializer

    def rows(self, found: Found) -> QuerySet[Any]:
        """The waits of the execution, its branches and its items."""
        return Wait.objects.filter(execution__in=whole_of(found.row))


class Children(_List):
    """Its branches and items, and the child workflows that you may see."""

    operations = {"GET": _list("children", "List its children", ExecutionSummary)}
    row = ExecutionSummary

    def rows(self, found: Found) -> QuerySet[Any]:
        """One level of the tree."""
        below = Execution.objects.filter(parent=found.row.pk)
        seen = access.visible(self.request.user, below.filter(role=Role.CHILD))
        parts = Q(role__in=PARTS)
        rows = below.filter(parts | Q(pk__in=seen.order_by().values("pk")))
        return rows.defer(*ExecutionSummary.LEFT_OUT)

    def reveals_of(self, found: Found) -> Reveals:
        """Parts are masked by the permissions of the root; a child workflow by its own."""
        whole = super().reveals_of(found)
        return lambda row: self.reveals(row) if row.role == Role.CHILD else whole(row)


class Audit(_List):
    """Its audit trail, the newest entry first."""

    operations = {"GET": _list("audit", "Read its audit trail", serializers.AuditEntrySerializer)}
    order = Order(("at", "id"), newest_first=True)
    row = serializers.AuditEntrySerializer

    def rows(self, found: Found) -> QuerySet[Any]:
        """The entries about the root execution."""
        access.require(self.request.user, "view_audit", found.root)
        return AuditEntry.objects.filter(execution_id=found.root.pk)


class ExecutionEvents(_List):
    """The events sent to it; for a part those of the whole."""

    operations = {
        "GET": _list("events", "List its events", serializers.EventSerializer),
        "POST": Operation(
            "execution_send_event",
            "Send it an event",
            {201: serializers.EventSerializer, 200: serializers.EventSerializer},
            takes=requests.SendEvent,
            parameters=(ID, idempotency_key("it becomes the event's id")),
            problems=(404, 409),
        ),
    }
    row = serializers.EventSerializer

    def rows(self, found: Found) -> QuerySet[Any]:
        """The inbox of the root execution."""
        permissions.require_events(self.request.user)
        return Event.objects.filter(execution=found.root.pk)

    def post(self, request: Request, id: str) -> Response:
        """201 with the new event, or 200 with the event sent earlier under the same id."""
        found = self.found(request, id)
        access.require(request.user, "send_event", found.root)
        fields = requests.read(request, requests.SendEvent)
        event_id = requests.once(request, fields, "event_id")
        event = send.send_event(
            found.root.pk,
            fields["name"],
            fields.get("payload"),
            event_id=event_id,
            by=request.user,
        )
        code = 201 if event.created else 200
        return Response(self.as_json_of(found, serializers.EventSerializer, event), code)


class ExecutionGraph(ExecutionView):
    """The flow of its workflow's version."""

    operations = {
        "GET": Operation(
            "execution_graph",
            "Look at its flow",
            {200: serializers.GraphSerializer},
            parameters=(ID,),
            problems=(404,),
        )
    }

    def get(self, request: Request, id: str) -> Response:
        """The nodes and edges; 404 if this process lacks the version."""
        row = self.found(request, id).row
        workflow = registry.get(row.workflow, row.version)
        if workflow is None:
            raise NotFound(f"This process has no version {row.version} of {row.workflow}.")
        flow = graph(workflow)
        shown = {"workflow": row.workflow, "version": row.version}
        return Response(self.shown({**shown, "nodes": flow.nodes, "edges": flow.edges}))
