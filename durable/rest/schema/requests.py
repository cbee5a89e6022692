"""What is taken: the bodies of requests, checked field by field; an unknown field is refused."""

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
        """Refuse what would be overlooked otherwise."""
        if isinstance(data, Mapping):
            unknown = {str(name): [UNKNOWN] for name in data if name not in self.fields}
            if unknown:
                raise ValidationError(unknown)
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A text as it was written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        """A number is no text here."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class Flag(serializers.BooleanField):
    """JSON's own true or false."""

    def to_internal_value(self, data: Any) -> bool:
        """``"yes"`` and ``1`` are neither."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Whole(serializers.IntegerField):
    """A JSON number without a fraction, as wide as the columns are."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": -HIGHEST, "max_value": HIGHEST, **options})

    def to_internal_value(self, data: Any) -> int:
        """``"1"``, ``1.0`` and ``true`` are none."""
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class Moment(serializers.DateTimeField):
    """An instant, with its offset from UTC."""

    def to_internal_value(self, value: Any) -> Any:
        """A time of no zone is no instant; one that no calendar has is none either."""
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
    """What to start, and how."""

    workflow = Text(max_length=200, help_text="Its name.")
    input = serializers.DictField(required=False, help_text="The data that the first step gets.")
    idempotency_key = Text(required=False, max_length=255)
    queue = Text(required=False, max_length=100)
    priority = Whole(required=False, help_text="Higher goes first.")
    scheduled_at = Moment(required=False)
    delay = Whole(required=False, min_value=0, help_text="Seconds until it begins.")
    keys = serializers.ListField(
        child=Text(max_length=255), required=False, max_length=100, help_text="Correlation keys."
    )
    subject = Text(
        required=False,
        max_length=255,
        help_text="The primary key of the row that it is about, if the workflow names a model.",
    )
    tags = serializers.DictField(required=False)


class SendEvent(Body):
    """An event to one execution."""

    name = Text(max_length=255)
    payload = serializers.JSONField(required=False, allow_null=True)
    event_id = Text(required=False, max_length=255, help_text="An event is stored once per id.")


class PublishEvent(SendEvent):
    """An event to whoever carries the key, or to the workflows that it triggers."""

    key = Text(required=False, max_length=255)


class Answer(Body):
    """The answer to a question; `schema` of the question says what fits."""

    answer = serializers.JSONField(allow_null=True)
    comment = Text(required=False, allow_blank=True)
    branch = serializers.UUIDField(required=False, help_text="Which part asks, if several do.")


class Reassign(Body):
    """Who is to answer instead."""

    to = serializers.ListField(
        child=Text(max_length=255),
        max_length=100,
        help_text="`user:kim`, `group:finance`, `perm:shop.approve`; none: whoever may approve",
    )
    branch = serializers.UUIDField(required=False)


class Nothing(Body):
    """No field at all."""


class Cancel(Body):
    """Why, and whether to undo what is done."""

    reason = Text(required=False, allow_blank=True)
    compensate = Flag(required=False)


class RetrySerializer(Body):
    """Whether to forget what the step has on record."""

    restart_step = Flag(required=False)


class Rerun(Body):
    """From where: the name or path of a recorded step; from the start unless given."""

    from_step = Text(required=False, max_length=1000)


class Limit(Body):
    """How many executions of the queue may run at once; `null`: no limit."""

    limit = Whole(min_value=1, allow_null=True)


def read(request: Request, body: type[Body]) -> dict[str, Any]:
    """The fields of the request's body; ``ValidationError`` says which is wrong."""
    data = request.data
    given = body(data=data if data or isinstance(data, Mapping) else {})
    if not isinstance(data, Mapping):
        given = body(data=data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def once(request: Request, fields: dict[str, Any], name: str) -> str | None:
    """The idempotency key, of the header or the body; ``ValidationError`` if they differ."""
    header = request.headers.get(IDEMPOTENCY_KEY)
    given: str | None = fields.pop(name, None)
    if header is not None and given is not None and header != given:
        raise ValidationError({name: [_("It differs from the header Idempotency-Key.")]})
    return given if header is None else header
