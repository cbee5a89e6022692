"""What the list of executions can be narrowed down by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.contrib.admin import SimpleListFilter
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from durable import clock, conf
from durable.authoring import registry
from durable.dashboard import family
from durable.dashboard.paging import COUNTED
from durable.dashboard.search import distinct
from durable.dashboard.shown import plain
from durable.errors import DurableError
from durable.models import Execution, Role
from durable.models.fields import HasTag
from durable.states import Status


class ByStatus(SimpleListFilter):
    """One status."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """All statuses."""
        return Status.choices

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Those that have it."""
        return queryset if self.value() is None else queryset.filter(status=self.value())


class ByWorkflow(SimpleListFilter):
    """One workflow, of those that this process knows and those that have executions."""

    title = _("workflow")
    parameter_name = "workflow"

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """By name."""
        known = {cls.definition.name for cls in registry.all()}
        return [(name, plain(name)) for name in sorted(known | set(distinct("workflow")))]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Its executions, of every version."""
        return queryset if self.value() is None else queryset.filter(workflow=self.value())


class ByQueue(SimpleListFilter):
    """One queue: where the execution stands, or has last stood."""

    title = _("queue")
    parameter_name = "queue"

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """Those that are configured, and those that are used."""
        return [(name, plain(name)) for name in sorted({*conf.queues(), *distinct("queue")})]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """The executions in it."""
        return queryset if self.value() is None else queryset.filter(queue=self.value())


class ByFamily(SimpleListFilter):
    """Roots (unless something else is asked for), those with children, children, or both."""

    title = _("family")
    parameter_name = "family"

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """What there is besides roots."""
        return [
            ("parents", _("With children")),
            ("children", _("Children only")),
            ("all", _("Roots and children")),
        ]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Without a choice it is roots."""
        first, *others = super().choices(changelist)
        yield {**first, "display": _("Roots only")}
        yield from others

    def queryset(self, request: Any, queryset: Any) -> Any:
        """A search, or the list of somebody's children, is about children too."""
        chosen = self.value()
        if chosen == "children":
            return queryset.filter(role=Role.CHILD)
        if chosen == "parents":
            parents = Execution.objects.filter(parent__isnull=False).order_by()
            return queryset.filter(pk__in=parents.values("parent"))
        if chosen == "all" or request.GET.get("q") or ByParent.parameter_name in request.GET:
            return queryset
        return queryset.filter(role=Role.ROOT)


SPANS = {
    "1h": (timedelta(hours=1), _("Past hour")),
    "24h": (timedelta(hours=24), _("Past 24 hours")),
    "7d": (timedelta(days=7), _("Past 7 days")),
    "30d": (timedelta(days=30), _("Past 30 days")),
}


class Written(SimpleListFilter):
    """A filter that one writes into, besides what it may offer as links."""

    template = "admin/durable/parts/filter_written.html"
    inputs: tuple[tuple[str, Any, str, str], ...] = ()  # (parameter, label, type, example)

    def __init__(self, request: Any, params: Any, model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.expected_parameters():
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def has_output(self) -> bool:
        """There is always something to write into."""
        return True

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """Nothing but the inputs."""
        return []

    def expected_parameters(self) -> list[Any]:
        """Its own, and those of its inputs."""
        return list(dict.fromkeys([self.parameter_name, *(name for name, *_ in self.inputs)]))

    def text(self, name: str) -> str:
        """What is written in one input."""
        return str(self.used_parameters.get(name) or "").strip().replace("\x00", "")

    @property
    def error(self) -> str:
        """Why what is written can't be looked for."""
        return ""

    def fields(self) -> list[dict[str, Any]]:
        """The inputs with what is in them."""
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
        """The links; the first has with it what the form must not forget, and how to clear it."""
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
    """When it was created: a recent span, or between two times."""

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
        """Those created then."""
        if self.value() in SPANS:
            span, _label = SPANS[str(self.value())]
            queryset = queryset.filter(created_at__gte=clock.now() + -span)
        begin, end = self._moment("from"), self._moment("until")
        if begin:
            queryset = queryset.filter(created_at__gte=begin)
        return queryset.filter(created_at__lte=end) if end else queryset

    @property
    def error(self) -> str:
        """Times that are none."""
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
    """A tag with its value: ``name=value``; several are separated by commas."""

    title = _("tag")
    parameter_name = "tag"
    inputs = (("tag", _("Name = value"), "text", "tenant=acme"),)

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Those that carry it, as text or (a number, true, false) as JSON."""
        if not self.text("tag"):
            return queryset
        try:
            for name, values in self._wanted():
                queryset = queryset.filter(self._has_one(name, values))
        except DurableError:  # a text that no tag can have
            return queryset.none()
        return queryset

    def _has_one(self, name: str, values: list[Any]) -> Q:
        """By the index of tags; one that many have is looked for among the newest instead."""
        found = reduce(or_, (Q(HasTag(name, value)) for value in values))
        if Execution.objects.filter(found).order_by()[: COUNTED + 1].count() <= COUNTED:
            return found
        return reduce(or_, (Q(HasTag(name, value, indexed=False)) for value in values))

    @property
    def error(self) -> str:
        """What lacks a name."""
        bad = any(not name for name, _values in self._wanted())
        return str(_("Write name=value.")) if bad else ""

    def _wanted(self) -> list[tuple[str, list[Any]]]:
        found = []
        for part in filter(None, (part.strip() for part in self.text("tag").split(","))):
            name, _equals, text = (piece.strip() for piece in part.partition("="))
            found.append((name, [text, *_as_json(text)]))
        return found


def _as_json(text: str) -> list[Any]:
    """A number, true, false or null that is written like this."""
    try:
        value = json.loads(text)
    except ValueError:
        return []
    return [] if isinstance(value, str | list | dict) else [value]


class BySubject(Written):
    """What it is about: ``shop.order:17``, or a model alone."""

    title = _("subject")
    parameter_name = "subject"
    inputs = (("subject", _("Model : id"), "text", "shop.order:17"),)

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Those that are about it."""
        model, _colon, pk = self.text("subject").partition(":")
        if not model:
            return queryset
        queryset = queryset.exclude(subject_type="").filter(subject_type=model.strip().lower())
        return queryset.filter(subject_id=pk.strip()) if pk.strip() else queryset


class Linked(SimpleListFilter):
    """A filter that only links of other pages set, and that is shown while it is set."""

    column = ""

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """What is set."""
        return [(self.value(), self.value())] if self.value() else []

    def queryset(self, request: Any, queryset: Any) -> Any:
        """The rows that it is about; none for what is no id."""
        if self.value() is None:
            return queryset
        try:
            pk = UUID(str(self.value()))
        except ValueError:
            return queryset.none()
        return self.narrowed(queryset, pk)

    def narrowed(self, queryset: Any, pk: UUID) -> Any:
        """The rows whose column has this id."""
        return queryset.filter(**{self.column: pk})


class ByParent(Linked):
    """The children of one execution (started by any of its branches and items too)."""

    title = _("parent")
    parameter_name = "parent"

    def narrowed(self, queryset: Any, pk: UUID) -> Any:
        """The same as on the page of the execution."""
        return queryset.filter(family.started_by(pk))


class ByWorker(Linked):
    """What a worker holds."""

    title = _("worker")
    parameter_name = "worker"
    column = "worker"
