"""The answers of the REST door as serializers: executions, steps, waits, events, questions."""

from __future__ import annotations

from functools import cache
from typing import Any

from rest_framework import serializers

from durable.doors import actions
from durable.errors import DefinitionError
from durable.models import PARTS, Execution
from durable.people import question
from durable.people.form import missing
from durable.people.reach.schema import schema_of
from durable.rest.base.shown import (
    MaskedAnswer,
    MaskedChange,
    MaskedData,
    MaskedError,
    MaskedLogs,
    MaskedText,
)
from durable.showing.masking import Masking
from durable.showing.values import plain

Read = serializers.Serializer[Any]


class Problem(Read):
    """A refusal (RFC 9457)."""

    type = serializers.CharField(help_text="The kind of problem, as a URI.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="The problem, and the way out.")
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="Messages by field; `__all__` for those about no single field.",
    )
    branches = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="The ids to choose from."
    )


class Subject(Read):
    """The row that an execution is about."""

    type = serializers.CharField(source="subject_type")
    id = serializers.CharField(source="subject_id")


class _Stands(serializers.CharField):
    """A word out of a short list; a plain string, so that new words break no client."""


class ExecutionSummary(Read):
    """An execution without its data."""

    id = serializers.UUIDField()
    workflow = serializers.CharField()
    version = serializers.IntegerField()
    status = _Stands()
    role = _Stands(help_text="root, child; branch and item are parts of another")
    parent = serializers.UUIDField(source="started_by", allow_null=True)  # type: ignore[assignment]
    root = serializers.UUIDField(  # type: ignore[assignment]
        source="root_id", help_text="The id of the whole, if it is a part; else its own."
    )
    branch = serializers.CharField(help_text="The name of a branch.")
    index = serializers.IntegerField(allow_null=True, help_text="The number of an item.")
    queue = serializers.CharField()
    priority = serializers.IntegerField()
    path = serializers.CharField(help_text="The path of its present node.")
    attempt = serializers.IntegerField()
    tags = MaskedData()
    idempotency_key = serializers.CharField(allow_null=True)
    subject = serializers.SerializerMethodField()
    error = MaskedError(brief=True)
    rerun_of = serializers.UUIDField(source="rerun_of_id", allow_null=True)
    created_at = serializers.DateTimeField()
    scheduled_at = serializers.DateTimeField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    deadline_at = serializers.DateTimeField(allow_null=True)

    #: columns that the summary leaves in the database
    LEFT_OUT = ("input", "data", "base", "outcome", "frames", "progress")

    def get_subject(self, row: Execution) -> dict[str, str] | None:
        """The subject's model and key, or ``None``."""
        if not row.subject_type:
            return None
        return {"type": row.subject_type, "id": row.subject_id}


class ExecutionDetail(ExecutionSummary):
    """An execution with its data, and the actions that you may take now."""

    input = MaskedData()
    data = MaskedData()  # type: ignore[assignment]
    result = MaskedData()
    error = MaskedError()
    progress = MaskedData()
    keys = serializers.SerializerMethodField(help_text="Its correlation keys.")
    actions = serializers.SerializerMethodField(help_text="The actions that you may take now.")
    pause_requested = serializers.BooleanField()
    cancel_requested_at = serializers.DateTimeField(allow_null=True)
    cancel_reason = MaskedText()
    blocked_by = serializers.CharField(help_text="worker or code: what is missing")

    def get_keys(self, row: Execution) -> list[str]:
        """The correlation keys in alphabetical order."""
        return sorted(row.keys.values_list("key", flat=True))

    def get_actions(self, row: Execution) -> list[str]:
        """The names of the offered actions, as in their addresses; none for a branch or an item."""
        if row.role in PARTS:
            return []
        user = self.context["request"].user
        names = [action.name for action in actions.offered(row, user)]
        return [name for name in names if name != "cancel_compensate"]


class StepRunSerializer(Read):
    """An attempt of a step, or of a compensation."""

    id = serializers.UUIDField()
    execution = serializers.UUIDField(source="execution_id")
    path = serializers.CharField()
    name = serializers.CharField()
    visit = serializers.IntegerField()
    attempt = serializers.IntegerField()
    compensation = serializers.BooleanField()
    status = _Stands()
    input = MaskedData()
    output = MaskedData()
    error = MaskedError()
    logs = MaskedLogs(source="log_records")
    recoveries = serializers.IntegerField(help_text="How many workers died in it.")
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class WaitSerializer(Read):
    """A wait for a timer, an event, a person's input or a child; open or over."""

    id = serializers.UUIDField()
    execution = serializers.UUIDField(source="execution_id")
    path = serializers.CharField()
    visit = serializers.IntegerField()
    kind = _Stands()
    name = serializers.CharField()
    names = serializers.ListField(child=serializers.CharField())
    key = serializers.CharField()
    status = _Stands()
    opened_at = serializers.DateTimeField()
    deadline_at = serializers.DateTimeField(allow_null=True)
    resolved_at = serializers.DateTimeField(allow_null=True)
    answer = MaskedAnswer()
    received = MaskedData()
    child = serializers.UUIDField(source="child_id", allow_null=True)
    assignees = serializers.ListField(child=serializers.CharField())
    due_at = serializers.DateTimeField(allow_null=True)
    by = serializers.CharField(source="by_name")
    comment = MaskedText()


class EventSerializer(Read):
    """An event in the inbox of an execution, or in the mailbox of its key."""

    id = serializers.UUIDField()
    execution = serializers.UUIDField(source="execution_id", allow_null=True)
    name = serializers.CharField()
    key = serializers.CharField()
    event_id = serializers.CharField(allow_null=True)
    status = _Stands(help_text="pending, kept, consumed, delivered")
    wait = serializers.UUIDField(
        source="wait_id", allow_null=True, help_text="The wait that took the event."
    )
    payload = MaskedData()
    created_at = serializers.DateTimeField()


class AuditEntrySerializer(Read):
    """A change on record: its author, action, target, time and origin."""

    id = serializers.UUIDField()
    at = serializers.DateTimeField()
    by = serializers.CharField(source="actor_name")
    action = serializers.CharField()
    execution = serializers.UUIDField(source="execution_id", allow_null=True)
    target = serializers.CharField()
    before = MaskedChange()
    after = MaskedChange()
    origin = serializers.CharField()


class GraphNodeSerializer(Read):
    """A node of a flow; ``kind`` is start, end, join, step, branch, parallel, …"""

    path = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.CharField()


class GraphEdgeSerializer(Read):
    """An edge from one node to another."""

    source = serializers.CharField()  # type: ignore[assignment]
    target = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]


class GraphSerializer(Read):
    """A flow as nodes and edges, in written order."""

    workflow = serializers.CharField()
    version = serializers.IntegerField()
    nodes = GraphNodeSerializer(many=True)
    edges = GraphEdgeSerializer(many=True)


class QuestionSerializer(Read):
    """A question to people, with the JSON Schema of its answer."""

    execution = serializers.UUIDField(source="root_id")
    branch = serializers.UUIDField(source="execution_id", help_text="The id of the part that asks.")
    workflow = serializers.CharField(source="execution.workflow")
    name = serializers.CharField()
    type = serializers.SerializerMethodField()
    prompt = serializers.SerializerMethodField()
    metadata = serializers.SerializerMethodField()
    schema = serializers.SerializerMethodField()
    form_missing = serializers.SerializerMethodField()
    status = _Stands()
    assignees = serializers.ListField(child=serializers.CharField())
    exclude = serializers.ListField(child=serializers.CharField())
    quorum = serializers.SerializerMethodField()
    votes = serializers.IntegerField(source="vote_count")
    opened_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(allow_null=True)
    deadline_at = serializers.DateTimeField(allow_null=True)
    resolved_at = serializers.DateTimeField(allow_null=True)
    answer = MaskedAnswer()
    by = serializers.CharField(source="by_name")
    comment = MaskedText()

    def _masking(self, row: Any) -> Masking:
        return Masking(off=self.context["reveals"](row))

    def get_type(self, row: Any) -> str:
        """The type: approval, choice, text, form, …"""
        return question.Question.of(row).type

    def get_prompt(self, row: Any) -> str:
        """The prompt, secrets masked."""
        return self._masking(row).text(question.Question.of(row).prompt)

    def get_quorum(self, row: Any) -> int:
        """How many different people must approve."""
        return question.Question.of(row).quorum

    def get_metadata(self, row: Any) -> dict[str, Any]:
        """The metadata that the workflow gave with the question, secrets masked."""
        known: dict[str, Any] = plain(self._masking(row).value(question.Question.of(row).metadata))
        return known

    def get_schema(self, row: Any) -> dict[str, Any] | None:
        """The JSON Schema of the answer; ``None`` if this process lacks the form."""
        try:
            return schema_of(row, self._masking(row))
        except DefinitionError:
            return None

    def get_form_missing(self, row: Any) -> str:
        """The form that this process lacks, and the code to deploy; empty if nothing is missing."""
        return missing(row)


@cache
def page_of(row: type[Read]) -> type[Read]:
    """The serializer of a page of such rows."""
    name = row.__name__.removesuffix("Serializer")
    fields = {
        "__doc__": f"A page of {name}.",
        "__module__": __name__,
        "next": serializers.URLField(allow_null=True, help_text="The page after this one."),
        "previous": serializers.URLField(allow_null=True, help_text="The page before it."),
        "results": row(many=True),
    }
    return type(f"{name}Page", (serializers.Serializer,), fields)
