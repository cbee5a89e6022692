"""What the list of executions can be narrowed down by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib.admin import SimpleListFilter
from django.utils.translation import gettext_lazy as _

from durable.dashboard.run import family
from durable.doors import names
from durable.models import Execution, Role
from durable.showing.characters import visible
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
        return [(name, visible(name)) for name in names.workflows(request.user)]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Its executions, of every version."""
        return queryset if self.value() is None else queryset.filter(workflow=self.value())


class ByQueue(SimpleListFilter):
    """One queue: where the execution stands, or has last stood."""

    title = _("queue")
    parameter_name = "queue"

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """Those that are configured, and those that are used."""
        return [(name, visible(name)) for name in names.queues(request.user)]

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
