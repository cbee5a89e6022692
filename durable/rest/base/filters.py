"""The filters of the lists of executions and events: each query parameter and its checks."""

from __future__ import annotations

import json
from typing import Any

import django_filters
from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters.rest_framework import FilterSet
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from durable.authoring.parse import registry
from durable.authoring.values import FIRST, LAST
from durable.doors import access, names
from durable.engine.operators.listing import of_workflow
from durable.errors import NotSerializable, WorkflowNotFound
from durable.models import Event, EventStatus, Execution, Status
from durable.models.fields import HasTag
from durable.rest.schema.operations import Parameter
from durable.showing.masking import Masking

TAGS = 10  # tags in one request


class InstantField(django_filters.fields.IsoDateTimeField):  # type: ignore[misc]
    """An instant that every database can store."""

    def clean(self, value: Any) -> Any:
        """Refuse the first and last days of the calendar."""
        found = super().clean(value)
        if found is not None and not FIRST < found < LAST:
            raise forms.ValidationError(_("Enter a valid date/time."))
        return found


class InstantFilter(django_filters.IsoDateTimeFilter):  # type: ignore[misc]
    """Compares a column with an instant."""

    field_class = InstantField


class TagField(forms.CharField):
    """``name:value``."""

    def clean(self, value: Any) -> tuple[str, str] | None:
        """The name and the value of a tag."""
        text = super().clean(value)
        if not text:
            return None
        name, colon, wanted = text.partition(":")
        if not name or not colon:
            raise forms.ValidationError(_("Write a tag as name:value."))
        return name, wanted


class TagsField(forms.Field):
    """Several tags; an execution must carry all of them."""

    widget = forms.SelectMultiple

    def clean(self, value: Any) -> list[tuple[str, str]]:
        """The tags as pairs of name and value."""
        if len(value or ()) > TAGS:
            raise forms.ValidationError(_("Ask for fewer tags at once."))
        found = [TagField(required=False, max_length=500).clean(one) for one in value or ()]
        return [tag for tag in found if tag]


class TagFilter(django_filters.Filter):  # type: ignore[misc]
    """Executions with these tags; a value matches as text and as a JSON number, word or null."""

    field_class = TagsField

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Narrow down by all tags; a masked tag finds nothing, since a hit would tell its value."""
        masking = Masking(off=access.may(self.parent.request.user, "view_payload"))
        for name, wanted in value or ():
            qs = qs.none() if masking.hides(name) else qs.filter(_tagged(name, wanted))
        return qs


def _tagged(name: str, wanted: str) -> Q:
    found = Q(HasTag(name, wanted))
    try:
        value = json.loads(wanted) if len(wanted) < 20 else None
        if isinstance(value, bool | int | float) or wanted == "null":
            found |= Q(HasTag(name, value))
    except (ValueError, RecursionError, NotSerializable):
        pass  # no number that can be stored: the text alone is meant
    return found


class SubjectField(forms.CharField):
    """``app.model:pk``."""

    def clean(self, value: Any) -> tuple[str, str] | None:
        """The model's label and the primary key."""
        text = super().clean(value)
        if not text:
            return None
        model, colon, pk = text.partition(":")
        if not colon or model.count(".") != 1:
            raise forms.ValidationError(_("Write a subject as app.model:primary key."))
        if len(model) > 150 or len(pk) > 255:
            raise forms.ValidationError(_("No subject is as long as that."))
        return model.lower(), pk


class StatusFilter(django_filters.MultipleChoiceFilter):  # type: ignore[misc]
    """Executions in one of these statuses; a repeated status counts once."""

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """One condition for each different status."""
        found: QuerySet[Any] = super().filter(qs, list(dict.fromkeys(value or ())))
        return found


class SubjectFilter(django_filters.Filter):  # type: ignore[misc]
    """Executions about one row."""

    field_class = SubjectField

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """The executions about the row, by the index of subjects."""
        return qs.filter(subject_type=value[0], subject_id=value[1]) if value else qs


class YesNoField(forms.Field):
    """``true`` or ``false``."""

    words = {"true": True, "false": False}

    def clean(self, value: Any) -> bool | None:
        """True or false; ``None`` if the parameter is not given."""
        if value in self.empty_values:
            return None
        if value not in self.words:
            raise forms.ValidationError(_("Enter true or false."))
        return self.words[value]


class YesNoFilter(django_filters.Filter):  # type: ignore[misc]
    """Calls a method of the filter set with true or false."""

    field_class = YesNoField


class WorkflowFilter(django_filters.CharFilter):  # type: ignore[misc]
    """Executions of one workflow, by its name."""

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """The workflow's executions; refuses an unknown name rather than list nothing."""
        if not value:
            return qs
        try:
            found = of_workflow(qs, value)
        except WorkflowNotFound:
            raise self._nobodys() from None
        code = registry.newest(value)
        if code and not names.knows(self.parent.request.user, code) and not found.exists():
            raise self._nobodys()
        return found

    def _nobodys(self) -> ValidationError:
        return ValidationError({"workflow": ["There is no workflow of this name."]})


class ExecutionFilter(FilterSet):  # type: ignore[misc]
    """The query parameters of the list of executions."""

    workflow = WorkflowFilter(max_length=200)
    status = StatusFilter(choices=Status.choices)
    queue = django_filters.CharFilter(max_length=100)
    tag = TagFilter()
    subject = SubjectFilter()
    key = django_filters.CharFilter(field_name="keys__key", max_length=255)
    idempotency_key = django_filters.CharFilter(max_length=255)
    created_after = InstantFilter(field_name="created_at", lookup_expr="gte")
    created_before = InstantFilter(field_name="created_at", lookup_expr="lt")
    has_children = YesNoFilter(method="with_children")
    roots = YesNoFilter(method="only_roots")

    def with_children(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        """Executions with branches, items or children; (``false``) without any."""
        below = Exists(Execution.objects.filter(parent=OuterRef("pk")).order_by())
        return rows.filter(below if value else ~below)

    def only_roots(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        """Executions without a parent; (``false``) with one."""
        return rows.filter(parent__isnull=value)


class EventFilter(FilterSet):  # type: ignore[misc]
    """The query parameters of the list of events."""

    name = django_filters.CharFilter(max_length=255)
    key = django_filters.CharFilter(max_length=255)
    event_id = django_filters.CharFilter(max_length=255)
    status = StatusFilter(choices=EventStatus.choices)

    class Meta:
        model = Event
        fields: list[str] = []


EXECUTIONS = (
    Parameter("workflow", "The name of its workflow."),
    Parameter("status", "One of these.", many=True, choices=tuple(Status.values)),
    Parameter("queue", "The queue it is in."),
    Parameter("tag", "`name:value`; repeat it for several, all of which must fit.", many=True),
    Parameter("subject", "`app.model:primary key` of its subject."),
    Parameter("key", "One of its correlation keys."),
    Parameter("idempotency_key", "The key it was started with."),
    Parameter("created_after", "This instant or later.", "date-time"),
    Parameter("created_before", "Earlier than this instant.", "date-time"),
    Parameter("has_children", "Whether it has branches, items or child workflows.", "boolean"),
    Parameter("roots", "`true`: not the children of others; `false`: only those.", "boolean"),
)

EVENTS = (
    Parameter("name", "The name of the event."),
    Parameter("key", "The key it was published under."),
    Parameter("event_id", "The id given by its sender."),
    Parameter("status", "One of these.", many=True, choices=tuple(EventStatus.values)),
)


def narrowed(filters: type[FilterSet], request: Request, rows: QuerySet[Any]) -> QuerySet[Any]:
    """The rows that fit the request's parameters; raises ``ValidationError`` for a wrong one."""
    asked = filters(data=request.query_params, queryset=rows, request=request)
    if not asked.is_valid():
        raise ValidationError(dict(asked.errors))
    found: QuerySet[Any] = asked.qs
    return found
