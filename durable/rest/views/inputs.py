"""The views of questions to people: list, look, answer, reassign."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from durable.doors import access
from durable.models import Execution, Wait
from durable.people.reach import inputs
from durable.people.reach.inputs import QuestionAddress
from durable.rest.base import pagination, permissions
from durable.rest.base.pagination import Order
from durable.rest.base.shown import Reveals
from durable.rest.base.view import View
from durable.rest.schema import requests, serializers
from durable.rest.schema.operations import ID, Operation, Parameter
from durable.rest.schema.serializers import QuestionSerializer

NAME = Parameter("name", "The name of the question.", place="path")
BRANCH = Parameter("branch", "The part that asks, if several ask under this name.", "uuid")
MINE = Parameter("mine", "`true`: only questions that you may answer.", "boolean")


class _QuestionView(View):
    """Masking of a question follows the permissions of the whole execution, not of the part."""

    def known(self, asked: QuestionAddress) -> Wait:
        """The question; ``WaitNotFound`` or ``PermissionDenied`` if the user may not see it."""
        found: Wait = self.checked(inputs.known(self.request.user, asked).wait)
        return found

    def refuse_unpermitted(self, asked: QuestionAddress) -> None:
        """Before a question is changed, ask the project's object permissions, if it has any."""
        if permissions.of_project():
            self.known(asked)

    def as_json(
        self, serializer: Any, rows: Any, *, reveals: Reveals | None = None, made: bool = False
    ) -> Any:
        """Questions as JSON; their executions are read in one query."""
        waits = rows if isinstance(rows, list) else [rows]
        parts = {wait.root_id for wait in waits if wait.root_id != wait.execution_id}
        wholes = Execution.objects.defer(*access.LARGE).in_bulk(parts) if parts else {}

        def as_the_whole(wait: Wait) -> bool:
            return self.reveals(wholes.get(wait.root_id, wait.execution))

        return super().as_json(serializer, rows, reveals=reveals or as_the_whole, made=made)


class Inputs(_QuestionView):
    """The open questions, the oldest first: of executions that you see, and those asked of you."""

    operations = {
        "GET": Operation(
            "inputs",
            "List open questions",
            {200: serializers.page_of(QuestionSerializer)},
            parameters=(MINE, *pagination.PARAMETERS),
        )
    }

    def get(self, request: Request) -> Response:
        """One page of questions; without `view_execution` only those that the user may answer."""
        mine = request.query_params.get("mine", "false")
        if mine not in ("true", "false"):
            raise ValidationError({"mine": ["Enter true or false."]})
        user, order = request.user, Order(("opened_at", "id"))
        if mine == "true" or not user.has_perm(access.PERMISSIONS["view"]):
            asked = access.perhaps_asked_of(user, Wait.objects.all())
            return self.listed(
                request,
                asked,
                order,
                QuestionSerializer,
                keep=lambda rows: access.answerable(user, rows),
            )
        seen = access.visible_questions(user).open().select_related("execution")
        return self.listed(request, seen, order, QuestionSerializer)


class OneInput(_QuestionView):
    """One question; shown to users who may see its execution or may answer."""

    operations = {
        "GET": Operation(
            "execution_input",
            "Look at a question",
            {200: QuestionSerializer},
            parameters=(ID, NAME, BRANCH),
            problems=(404, 409),
        ),
        "POST": Operation(
            "execution_answer",
            "Answer a question",
            {200: QuestionSerializer},
            takes=requests.Answer,
            parameters=(ID, NAME),
            problems=(404, 409),
        ),
    }

    def get(self, request: Request, id: str, name: str) -> Response:
        """The open question of this name, else the last one."""
        branch = request.query_params.get("branch")
        part = _part(branch) if branch is not None else None
        return Response(self.shown(self.known(QuestionAddress(id, name, part))))

    def post(self, request: Request, id: str, name: str) -> Response:
        """Answer the question; the first answer wins, a later one gets a 409 with the first."""
        fields = requests.read(request, requests.Answer)
        asked, comment = QuestionAddress(id, name, fields.get("branch")), fields.get("comment", "")
        self.refuse_unpermitted(asked)
        wait = inputs.answer(asked, fields["answer"], by=request.user, comment=comment)
        return Response(self.shown(wait))


class ReassignInput(_QuestionView):
    """Replace the assignees of an open question."""

    operations = {
        "POST": Operation(
            "execution_reassign",
            "Ask other people instead",
            {200: QuestionSerializer},
            takes=requests.Reassign,
            parameters=(ID, NAME),
            problems=(404, 409),
        )
    }

    def post(self, request: Request, id: str, name: str) -> Response:
        """The question with its new assignees."""
        fields = requests.read(request, requests.Reassign)
        asked = QuestionAddress(id, name, fields.get("branch"))
        self.refuse_unpermitted(asked)
        return Response(self.shown(inputs.reassign(asked, fields["to"], by=request.user)))


def _part(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValidationError({"branch": ["It is not an id."]}) from None
