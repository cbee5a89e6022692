"""The filters of the list of executions with a text field: time of creation, tag, subject."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from durable import clock
from durable.dashboard.shared.paging import COUNTED
from durable.doors import access
from durable.errors import DurableError
from durable.models import Execution
from durable.models.fields import HasTag
from durable.showing.masking import Masking

LONGEST = 500  # characters in a text field
TAGS = 10  # tags in one filter

SPANS = {
    "1h": (timedelta(hours=1), _("Past hour")),
    "24h": (timedelta(hours=24), _("Past 24 hours")),
    "7d": (timedelta(days=7), _("Past 7 days")),
    "30d": (timedelta(days=30), _("Past 30 days")),
}


class Written(SimpleListFilter):
    """A filter with text fields; it may offer links as well."""

    template = "admin/durable/parts/filter_written.html"
    inputs: tuple[tuple[str, Any, str, str], ...] = ()  # (parameter, label, type, example)

    def __init__(self, request: Any, params: Any, model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.expected_parameters():
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def has_output(self) -> bool:
        """Always: the text fields are there to be filled in."""
        return True

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """No links."""
        return []

    def expected_parameters(self) -> list[Any]:
        """The filter's parameter and those of its text fields."""
        return list(dict.fromkeys([self.parameter_name, *(name for name, *_ in self.inputs)]))

    def text(self, name: str) -> str:
        """The text in one field; U+FFFD, which finds nothing, for a text that is too long."""
        written = str(self.used_parameters.get(name) or "").strip().replace("\x00", "")
        return written if len(written) <= LONGEST else "\ufffd"  # no row has this name

    @property
    def error(self) -> str:
        """Why the text cannot be searched for; empty if it can."""
        return ""

    def fields(self) -> list[dict[str, Any]]:
        """The text fields with their values."""
        return [
            {
                "name": name,
                "label": label,
                "type": kind,
                "example": example,
                "value": self.text(name),
            }
            for name, label, kind, example in self.inputs
        ]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """The links. The first one clears the filter and carries the other filters for the form."""
        names = self.expected_parameters()
        others = [
            (name, value)
            for name, values in changelist.filter_params.items()
            for value in values
            if name not in names
        ]
        if changelist.query:
            others.append(("q", changelist.query))
        first, *links = super().choices(changelist)
        used = any(self.text(name) for name in names)
        clear = changelist.get_query_string(remove=names)
        yield {**first, "kept": others, "query_string": clear, "selected": not used}
        for link in links:
            rest = [name for name in names if name != self.parameter_name]
            value = next(k for k, v in self.lookup_choices if v == link["display"])
            query = changelist.get_query_string({self.parameter_name: value}, remove=rest)
            yield {**link, "query_string": query}


class ByTime(Written):
    """The time of creation: a recent span, or between two times."""

    title = _("time of creation")
    parameter_name = "created"
    inputs = (
        ("from", _("From"), "datetime-local", ""),
        ("until", _("Until"), "datetime-local", ""),
    )

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """Recent spans."""
        return [(name, label) for name, (_span, label) in SPANS.items()]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """The executions created in the span and between the two times."""
        if self.value() in SPANS:
            span, _label = SPANS[str(self.value())]
            queryset = queryset.filter(created_at__gte=clock.now() + -span)
        begin, end = self._moment("from"), self._moment("until")
        if begin:
            queryset = queryset.filter(created_at__gte=begin)
        return queryset.filter(created_at__lte=end) if end else queryset

    @property
    def error(self) -> str:
        """The refusal of a text that is no time."""
        wrong = [n for n in ("from", "until") if self.text(n) and self._moment(n) is None]
        return str(_("This is not a time.")) if wrong else ""

    def _moment(self, name: str) -> datetime | None:
        try:
            found = parse_datetime(self.text(name))
            if found is None or timezone.is_aware(found):
                return found
            return timezone.make_aware(found)
        except (ValueError, OverflowError):
            return None


class ByTag(Written):
    """A tag with its value as ``name=value``; commas separate several."""

    title = _("tag")
    parameter_name = "tag"
    inputs = (("tag", _("Name = value"), "text", "tenant=acme"),)

    def queryset(self, request: Any, queryset: Any) -> Any:
        """The executions with all these tags, each value as text or as a JSON number or word."""
        if not self.text("tag"):
            return queryset
        masking = Masking(off=access.may(request.user, "view_payload"))
        if self.error:
            return queryset.none()
        try:
            for name, values in self._wanted():
                if masking.hides(name):  # a hit would tell the masked value
                    return queryset.none()
                queryset = queryset.filter(self._has_one(name, values))
        except DurableError:  # a text that no tag can have
            return queryset.none()
        return queryset

    def _has_one(self, name: str, values: list[Any]) -> Q:
        """Search by the index of tags; if more than ``COUNTED`` rows have the tag, without it."""
        found = reduce(or_, (Q(HasTag(name, value)) for value in values))
        if Execution.objects.filter(found).order_by()[: COUNTED + 1].count() <= COUNTED:
            return found
        return reduce(or_, (Q(HasTag(name, value, indexed=False)) for value in values))

    @property
    def error(self) -> str:
        """The refusal of a tag without a name, or of too many tags."""
        wanted = self._wanted()
        if len(wanted) > TAGS:
            return str(_("At most %s tags at once.") % TAGS)
        bad = any(not name for name, _values in wanted)
        return str(_("Write name=value.")) if bad else ""

    def _wanted(self) -> list[tuple[str, list[Any]]]:
        found = []
        for part in filter(None, (part.strip() for part in self.text("tag").split(","))):
            name, _equals, text = (piece.strip() for piece in part.partition("="))
            found.append((name, [text, *_as_json(text)]))
        return found


def _as_json(text: str) -> list[Any]:
    """The value of a number, true, false or null in JSON; none for any other text."""
    try:
        value = json.loads(text) if len(text) < 20 else ""
    except ValueError:
        return []
    return [] if isinstance(value, str | list | dict) else [value]


class BySubject(Written):
    """The subject as ``shop.order:17``, or a model without an id."""

    title = _("subject")
    parameter_name = "subject"
    inputs = (("subject", _("Model : id"), "text", "shop.order:17"),)

    def queryset(self, request: Any, queryset: Any) -> Any:
        """The executions about the subject."""
        model, _colon, pk = self.text("subject").partition(":")
        if not model:
            return queryset
        queryset = queryset.exclude(subject_type="").filter(subject_type=model.strip().lower())
        return queryset.filter(subject_id=pk.strip()) if pk.strip() else queryset
