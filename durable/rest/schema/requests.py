"""The bodies of requests as serializers, strict about types; an unknown field is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from durable.rest.schema.operations import IDEMPOTENCY_KEY
from durable.storage.sizes import HIGHEST

UNKNOWN = _("There is no such field.")


class Body(serializers.Serializer[Any]):
    """A JSON object with these fields and no others."""

    def to_internal_value(self, data: Any) -> Any:
        """The fields; an unknown one is refused rather than overlooked."""
        if isinstance(data, Mapping):
            unknown = {str(name): [UNKNOWN] for name in data if name not in self.fields}
            if unknown:
                raise ValidationError(unknown)
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A text, with its spaces."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        """Refuse a number: only a JSON string is a text."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class Flag(serializers.BooleanField):
    """A JSON true or false."""

    def to_internal_value(self, data: Any) -> bool:
        """Refuse ``"yes"`` and ``1``."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Whole(serializers.IntegerField):
    """A JSON integer within the range of the columns."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": -HIGHEST, "max_value": HIGHEST, **options})

    def to_internal_value(self, data: Any) -> int:
        """Refuse ``"1"``, ``1.0`` and ``true``."""
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class Moment(serializers.DateTimeField):
    """An instant: a date and time with an offset from UTC."""

    def to_internal_value(self, value: Any) -> Any:
        """Refuse a time without an offset, and one outside the calendar."""
        from django.utils.dateparse import parse_datetime

        try:
            found = parse_datetime(value) if isinstance(value, str) else None
        except ValueError:
            found = None
        if found is None:
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ssZ")
        if found.tzinfo is None:
            raise ValidationError(_("Say which instant is meant: with Z or an offset from UTC."))
        return found


class Start(Body):
    """The workflow to start, its input and options."""

    workflow = Text(max_length=200, help_text="The name of the workflow.")
    input = serializers.DictField(required=False, help_text="The data of the first step.")
    idempotency_key = Text(required=False, max_length=255)
    queue = Text(required=False, max_length=100)
    priority = Whole(required=False, help_text="Higher goes first.")
    scheduled_at = Moment(required=False)
    delay = Whole(required=False, min_value=0, help_text="Seconds until the start.")
    keys = serializers.ListField(
        child=Text(max_length=255), required=False, max_length=100, help_text="Correlation keys."
    )
    subject = Text(
        required=False,
        max_length=255,
        help_text="The primary key of the subject, if the workflow names a model.",
    )
    tags = serializers.DictField(required=False)


class SendEvent(Body):
    """An event to one execution."""

    name = Text(max_length=255)
    payload = serializers.JSONField(required=False, allow_null=True)
    event_id = Text(required=False, max_length=255, help_text="An event is stored once per id.")


class PublishEvent(SendEvent):
    """An event to the executions with the key, or to the workflows triggered by its name."""

    key = Text(required=False, max_length=255)


class Answer(Body):
    """The answer to a question, as `schema` of the question describes it."""

    answer = serializers.JSONField(allow_null=True)
    comment = Text(required=False, allow_blank=True)
    branch = serializers.UUIDField(
        required=False, help_text="The id of the part that asks, if several do."
    )


class Reassign(Body):
    """The new assignees of a question."""

    to = serializers.ListField(
        child=Text(max_length=255),
        max_length=100,
        help_text="`user:kim`, `group:finance`, `perm:shop.approve`; none: all who may approve",
    )
    branch = serializers.UUIDField(required=False)


class Nothing(Body):
    """An empty object."""


class Cancel(Body):
    """The reason, and whether to run the compensations."""

    reason = Text(required=False, allow_blank=True)
    compensate = Flag(required=False)


class RetrySerializer(Body):
    """Whether to forget the recorded waits and results of the step."""

    restart_step = Flag(required=False)


class Rerun(Body):
    """The name or path of the recorded step to start from; from the beginning unless given."""

    from_step = Text(required=False, max_length=1000)


class Limit(Body):
    """The most executions of the queue to run at once; `null`: no limit."""

    limit = Whole(min_value=1, allow_null=True)


def read(request: Request, body: type[Body]) -> dict[str, Any]:
    """The fields of the request's body; raises ``ValidationError`` for wrong ones."""
    data = request.data
    given = body(data=data if data or isinstance(data, Mapping) else {})
    if not isinstance(data, Mapping):
        given = body(data=data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def once(request: Request, fields: dict[str, Any], name: str) -> str | None:
    """The idempotency key of the header or the body; raises ``ValidationError`` if they differ."""
    header = request.headers.get(IDEMPOTENCY_KEY)
    given: str | None = fields.pop(name, None)
    if header is not None and given is not None and header != given:
        raise ValidationError({name: [_("It differs from the header Idempotency-Key.")]})
    return given if header is None else header
