"""The views of executions: list, start, look, and one view for each action."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from durable.doors import access, names
from durable.doors.actions import ACTIONS
from durable.errors import InvalidTransition, WorkflowNotFound
from durable.models import Execution
from durable.rest.base import filters, pagination, permissions
from durable.rest.base.pagination import NEWEST
from durable.rest.base.view import View
from durable.rest.schema import requests, serializers
from durable.rest.schema.operations import ID, Operation, idempotency_key
from durable.rest.schema.serializers import ExecutionDetail, ExecutionSummary
from durable.rest.views import starting
from durable.rest.views.found import ExecutionView


class Executions(View):
    """Executions and child workflows, the newest first; without branches and items."""

    operations = {
        "GET": Operation(
            "executions",
            "List executions",
            {200: serializers.page_of(ExecutionSummary)},
            parameters=(*filters.EXECUTIONS, *pagination.PARAMETERS),
        ),
        "POST": Operation(
            "executions_start",
            "Start an execution",
            {201: ExecutionSummary, 200: ExecutionSummary},
            takes=requests.Start,
            parameters=(idempotency_key("one execution of the workflow is started with a key"),),
            problems=(409,),
        ),
    }

    def get(self, request: Request) -> Response:
        """One page of executions."""
        permissions.require(request.user, "view")
        rows = access.visible(request.user).defer(*ExecutionSummary.LEFT_OUT)
        found = filters.narrowed(filters.ExecutionFilter, request, rows)
        return self.listed(request, found, NEWEST, ExecutionSummary)

    def post(self, request: Request) -> Response:
        """201 with the new execution, or 200 with the one started earlier under the same key."""
        permissions.require(request.user, "start")
        fields = requests.read(request, requests.Start)
        key = requests.once(request, fields, "idempotency_key")
        try:
            workflow = names.resolve(request.user, fields.pop("workflow"))
        except WorkflowNotFound:
            raise ValidationError({"workflow": ["There is no workflow of this name."]}) from None
        access.require(request.user, "start", workflow)
        execution = starting.start_asked(request.user, workflow, key, fields)
        code = 201 if execution.created else 200
        return Response(
            self.shown(execution, code), code, headers={"Location": self._address(execution)}
        )

    def _address(self, execution: Execution) -> str:
        name = self.request.resolver_match.view_name.rpartition(":")[0]  # type: ignore[union-attr]
        return reverse(f"{name}:execution", args=[execution.pk])


class OneExecution(ExecutionView):
    """One execution with its data."""

    operations = {
        "GET": Operation(
            "execution",
            "Look at an execution",
            {200: ExecutionDetail},
            parameters=(ID,),
            problems=(404,),
        )
    }

    def get(self, request: Request, id: str) -> Response:
        """The execution, branch or item; actions are offered on the whole only."""
        found = self.found(request, id)
        return Response(self.as_json_of(found, ExecutionDetail, found.row))


class _Act(ExecutionView):
    """An operator's action; the engine decides whether the present state allows it."""

    action: str
    body: type[requests.Body]

    def post(self, request: Request, id: str) -> Response:
        """Run the action; 201 if it started another execution."""
        found = self.found(request, id)
        access.require(request.user, ACTIONS[self.action].permission, found.root)
        if found.is_part:
            raise InvalidTransition(f"execution {id} is a part of {found.root.pk}: act on that")
        options = requests.read(request, self.body)
        name = "cancel_compensate" if options.pop("compensate", False) else self.action
        execution = ACTIONS[name].run(found.row, by=request.user, options=options)
        code = 200 if execution.pk == found.row.pk else 201
        return Response(self.shown(execution, code), code)


def act(name: str, summary: str, takes: type[requests.Body], code: int = 200) -> type[View]:
    """The view of one action."""
    operation = Operation(
        f"execution_{name}",
        summary,
        {code: ExecutionSummary},
        takes=takes,
        parameters=(ID,),
        problems=(404, 409),
    )
    fields: dict[str, Any] = {
        "__doc__": _Act.__doc__,
        "__module__": __name__,
        "operations": {"POST": operation},
        "action": name,
        "body": takes,
    }
    return type(f"{name.title()}Execution", (_Act,), fields)


ACTS: dict[str, type[View]] = {
    "cancel": act("cancel", "End an execution", requests.Cancel),
    "retry": act("retry", "Continue a failed or blocked execution", requests.RetrySerializer),
    "pause": act("pause", "Stop an execution at its next checkpoint", requests.Nothing),
    "resume": act("resume", "Let a paused execution go on", requests.Nothing),
    "rerun": act("rerun", "Start a finished execution anew", requests.Rerun, 201),
    "compensate": act("compensate", "Undo what a failed execution has done", requests.Nothing),
}
