"""Questions to people: which are open, what is asked, the answer, who is to answer instead."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from durable.doors import access
from durable.errors import AmbiguousWait, WaitNotFound
from durable.models import Execution, Wait, WaitKind
from durable.people.reach import inputs as questions
from durable.rest import pagination, requests, serializers
from durable.rest.base import View
from durable.rest.operations import ID, Operation, Parameter
from durable.rest.pagination import Order
from durable.rest.serializers import Question
from durable.rest.shown import Reveals
from durable.rest.views.found import id_of, unknown, whole_of
from durable.storage.sizes import is_text

NAME = Parameter("name", "The name of the question.", place="path")
BRANCH = Parameter("branch", "The part that asks, if several ask under this name.", "uuid")
MINE = Parameter("mine", "`true`: only those that you may answer.", "boolean")


class _QuestionView(View):
    """What is shown of a question depends on the whole that asks, not on the part of it."""

    def as_json(self, serializer: Any, rows: Any, *, reveals: Reveals | None = None) -> Any:
        """As the executions do, which are read together."""
        waits = rows if isinstance(rows, list) else [rows]
        parts = {wait.root_id for wait in waits if wait.root_id != wait.execution_id}
        wholes = Execution.objects.defer(*access.LARGE).in_bulk(parts) if parts else {}

        def as_the_whole(wait: Wait) -> bool:
            return self.reveals(wholes.get(wait.root_id, wait.execution))

        return super().as_json(serializer, rows, reveals=reveals or as_the_whole)


class Inputs(_QuestionView):
    """The open questions, the oldest first: of executions that you see, and those asked of you."""

    operations = {
        "GET": Operation(
            "inputs",
            "List open questions",
            {200: serializers.page_of(Question)},
            parameters=(MINE, *pagination.PARAMETERS),
        )
    }

    def get(self, request: Request) -> Response:
        """A page of them; who may not see executions gets those that they may answer."""
        mine = request.query_params.get("mine", "false")
        if mine not in ("true", "false"):
            raise ValidationError({"mine": ["Enter true or false."]})
        user, order = request.user, Order(("opened_at", "id"))
        if mine == "true" or not user.has_perm(access.PERMISSIONS["view"]):
            asked = access.perhaps_asked_of(user, Wait.objects.all())
            return self.listed(
                request, asked, order, Question, keep=lambda rows: access.answerable(user, rows)
            )
        seen = access.visible_questions(user).open().select_related("execution")
        return self.listed(request, seen, order, Question)


class OneInput(_QuestionView):
    """One question; only who may see its execution, or may answer it, knows of it."""

    operations = {
        "GET": Operation(
            "execution_input",
            "Look at a question",
            {200: Question},
            parameters=(ID, NAME, BRANCH),
            problems=(404, 409),
        ),
        "POST": Operation(
            "execution_answer",
            "Answer a question",
            {200: Question},
            takes=requests.Answer,
            parameters=(ID, NAME),
            problems=(404, 409),
        ),
    }

    def get(self, request: Request, id: str, name: str) -> Response:
        """The open one of this name, or the last one that was."""
        branch = request.query_params.get("branch")
        part = _part(branch) if branch is not None else None
        return Response(self.shown(the_question(request.user, id, name, part)))

    def post(self, request: Request, id: str, name: str) -> Response:
        """The first answer wins; 409 says who was first."""
        the_questions(request.user, id, name, None)
        fields = requests.read(request, requests.Answer)
        wait = the_question(request.user, id, name, fields.get("branch"))
        questions.answer(
            wait.pk, fields["answer"], by=request.user, comment=fields.get("comment", "")
        )
        return Response(self.shown(_again(wait)))


class Reassign(_QuestionView):
    """Put other people in charge of an open question."""

    operations = {
        "POST": Operation(
            "execution_reassign",
            "Ask other people instead",
            {200: Question},
            takes=requests.Reassign,
            parameters=(ID, NAME),
            problems=(404, 409),
        )
    }

    def post(self, request: Request, id: str, name: str) -> Response:
        """The question with its new assignees."""
        the_questions(request.user, id, name, None)
        fields = requests.read(request, requests.Reassign)
        wait = the_question(request.user, id, name, fields.get("branch"))
        questions.reassign(wait.pk, fields["to"], by=request.user)
        return Response(self.shown(_again(wait)))


def the_question(user: Any, id: str, name: str, part: UUID | None) -> Wait:
    """The open question of this name, or the last closed one; ``AmbiguousWait`` if several are."""
    asked = the_questions(user, id, name, part)
    if len(asked) > 1:
        branches = [wait.execution_id for wait in asked]
        raise AmbiguousWait(
            f"{len(asked)} open questions are named {name!r}: say which with branch, one of "
            f"{', '.join(map(str, branches))}",
            branches=branches,
        )
    return asked[0]


def the_questions(user: Any, id: str, name: str, part: UUID | None) -> list[Wait]:
    """The open questions of this name that the user knows of, or the last one that was open.

    ``WaitNotFound``, or ``ExecutionNotFound`` for who may not even see the execution.
    """
    pk = id_of(id)
    execution: Execution | None = Execution.objects.filter(pk=pk).first()
    if execution is None or not is_text(name, 500):
        raise unknown(id)
    waits = Wait.objects.filter(kind=WaitKind.INPUT, name=name, execution__in=whole_of(execution))
    if part is not None:
        waits = waits.filter(execution=part)
    waits = waits.select_related("execution").visible()
    found = list(waits.open()) or list(waits.reverse()[:1])
    if not access.visible(user).filter(pk=execution.root_id).exists():
        found = access.answerable(user, found)
        if not found:
            raise unknown(id)
    if not found:
        raise WaitNotFound(f"execution {id} asks for no input named {name!r}")
    return found


def _part(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValidationError({"branch": ["It is not an id."]}) from None


def _again(wait: Wait) -> Wait:
    return Wait.objects.select_related("execution").get(pk=wait.pk)
