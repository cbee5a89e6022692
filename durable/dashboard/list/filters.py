"""The filters of the list of executions that offer links: status, workflow, queue, family."""

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
    """Executions with one status."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """All statuses."""
        return Status.choices

    def queryset(self, request: Any, queryset: Any) -> Any:
        """The executions with the chosen status."""
        return queryset if self.value() is None else queryset.filter(status=self.value())


class ByWorkflow(SimpleListFilter):
    """One workflow, chosen from this process's code and from the executions."""

    title = _("workflow")
    parameter_name = "workflow"

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """The names of the workflows."""
        return [(name, visible(name)) for name in names.workflows(request.user)]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """The executions of the chosen workflow, in all versions."""
        return queryset if self.value() is None else queryset.filter(workflow=self.value())


class ByQueue(SimpleListFilter):
    """One queue: the one in which the execution is, or was last."""

    title = _("queue")
    parameter_name = "queue"

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """The queues of the settings, and those in use."""
        return [(name, visible(name)) for name in names.queues(request.user)]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """The executions of the chosen queue."""
        return queryset if self.value() is None else queryset.filter(queue=self.value())


class ByFamily(SimpleListFilter):
    """Roots (the default), parents, children, or roots and children."""

    title = _("family")
    parameter_name = "family"

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """The choices besides the default."""
        return [
            ("parents", _("With children")),
            ("children", _("Children only")),
            ("all", _("Roots and children")),
        ]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """The choices; the first one is named "Roots only"."""
        first, *others = super().choices(changelist)
        yield {**first, "display": _("Roots only")}
        yield from others

    def queryset(self, request: Any, queryset: Any) -> Any:
        """The chosen family; a search or a list of one parent's children includes children."""
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
    """A filter by an id, set only by links of other pages and visible while it is set."""

    column = ""

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """The id that is set."""
        return [(self.value(), self.value())] if self.value() else []

    def queryset(self, request: Any, queryset: Any) -> Any:
        """The rows with this id; none if the text is no id."""
        if self.value() is None:
            return queryset
        try:
            pk = UUID(str(self.value()))
        except ValueError:
            return queryset.none()
        return self.narrowed(queryset, pk)

    def narrowed(self, queryset: Any, pk: UUID) -> Any:
        """The rows with this id in ``column``."""
        return queryset.filter(**{self.column: pk})


class ByParent(Linked):
    """The children of one execution (started by any of its branches and items too)."""

    title = _("parent")
    parameter_name = "parent"

    def narrowed(self, queryset: Any, pk: UUID) -> Any:
        """The same executions as the page of the parent lists."""
        return queryset.filter(family.started_by(pk))


class ByWorker(Linked):
    """The executions that a worker holds."""

    title = _("worker")
    parameter_name = "worker"
    column = "worker"
