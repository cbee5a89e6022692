"""The list of executions in the admin, and the addresses of the pages of one execution."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from durable import clock
from durable.dashboard.list import bulk, filters, search, written_filters
from durable.dashboard.operations import catalogue, overview
from durable.dashboard.run import acts, detail, live, step_page
from durable.dashboard.shared import paging, shown
from durable.dashboard.shared.base import FORMS, Pages, or_404
from durable.dashboard.shared.shown import badge
from durable.doors import access
from durable.models import Execution
from durable.models.execution import ExecutionQuerySet
from durable.showing import times
from durable.showing.characters import visible
from durable.states import Status
from durable.storage import ids

#: columns that a list does not read
HEAVY = ("input", "data", "base", "outcome", "frames", "error", "progress")


class ExecutionPages(Pages):
    """Roots and children; branches and items are shown on the page of their root."""

    posted = ("_changelist",)
    list_display = ("execution", "state", "position", "about", "in_queue", "created", "took")
    list_display_links = ("execution",)
    list_filter = (
        filters.ByStatus,
        filters.ByWorkflow,
        written_filters.ByTime,
        written_filters.ByTag,
        written_filters.BySubject,
        filters.ByQueue,
        filters.ByFamily,
        filters.ByParent,
        filters.ByWorker,
    )
    list_per_page = 50
    ordering = ("-created_at", "-id")
    sortable_by = ("created",)
    search_fields = ("id",)
    search_help_text = _("An id or its beginning, an idempotency key, or a correlation key")
    show_facets = admin.ShowFacets.NEVER
    paginator = paging.BoundedPaginator

    def get_queryset(self, request: HttpRequest) -> Any:
        """The executions that this user may see."""
        rows = access.visible(request.user).defer(*HEAVY)
        return rows.annotate(present=clock.now()).order_by(*self.ordering)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """A list without "show all"."""
        return paging.BoundedList

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Search by id, idempotency key or correlation key."""
        return search.search(queryset, search_term), False

    # -- the columns -------------------------------------------------------------------------------

    @admin.display(description=_("execution"))
    def execution(self, row: Execution) -> str:
        """The workflow and the shortened id."""
        return format_html(
            '<strong>{}</strong> <code class="dw-id">{}</code>',
            visible(row.workflow),
            shown.short(row.pk),
        )

    @admin.display(description=_("status"))
    def state(self, row: Execution) -> str:
        """The status, and whether somebody has asked for a pause or a cancellation."""
        asked = ""
        if not row.is_finished and row.cancel_requested_at is not None:
            asked = badge("asked", _("cancelling"))
        elif row.pause_requested and row.status != Status.PAUSED:
            asked = badge("asked", _("pausing"))
        return format_html("{} {}", badge(row.status), asked)

    @admin.display(description=_("stands at"))
    def position(self, row: Any) -> str:
        """The step, the attempt (from the second on) and the next wake time."""
        if row.status == Status.COMPLETED or not row.path or row.path.startswith("~"):
            return ""
        name = visible(row.path.rpartition("/")[2])
        attempt = row.attempt - row.attempt_floor
        parts: list[str] = [
            format_html('<span class="dw-path" title="{}">{}</span>', row.path, name)
        ]
        if attempt > 1:
            parts.append(format_html('<span class="dw-quiet">{}</span>', f"#{attempt}"))
        if row.wake_at is not None:
            parts.append(shown.moment(row.wake_at, clock.parse(row.present)))
        return format_html_join(" ", "{}", ((part,) for part in parts))

    @admin.display(description=_("about"))
    def about(self, row: Execution) -> str:
        """The subject and the tags."""
        marks = []
        if row.subject_type:
            marks.append(visible(f"{row.subject_type}:{row.subject_id}"))
        marks += [f"{name}={value}" for name, value in shown.Shown(open=False).pairs(row.tags)]
        return format_html_join(
            " ", '<span class="dw-tag">{}</span>', ((shown.cut(mark, 60),) for mark in marks)
        )

    @admin.display(description=_("queue"))
    def in_queue(self, row: Execution) -> str:
        """The queue in which the execution is, or was last."""
        return visible(row.queue)

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, row: Any) -> str:
        """The time of creation, relative to now; on narrow screens the duration is below it."""
        when, took = shown.moment(row.created_at, clock.parse(row.present)), self.took(row)
        if not took:
            return when
        return format_html(
            '{}<span class="dw-below dw-narrow">{}</span>', when, _("took %s") % took
        )

    @admin.display(description=_("took"))
    def took(self, row: Any) -> str:
        """The time from the first start to the end, or to now."""
        if row.started_at is None:
            return ""
        end = row.finished_at or clock.parse(row.present)
        return times.duration(end - row.started_at)

    # -- the pages ---------------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """The pages of one execution, besides those of ``ModelAdmin``."""
        return [
            self.url("overview/", self.overview_view, "overview"),
            self.url("workflows/", self.catalogue_view, "workflows"),
            self.url("workflows/<str:name>/", self.workflow_view, "workflow", FORMS),
            self.url("<uuid:pk>/do/<slug:name>/", self.act_view, "execution_act", FORMS),
            self.url("<uuid:pk>/live/", self.live_view, "execution_live"),
            self.url("<uuid:pk>/raw/", self.raw_view, "execution_raw"),
            self.url("<uuid:pk>/steps/<uuid:step>/", self.step_view, "execution_step"),
            *super().get_urls(),
        ]

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """The actions that this user may run on many executions; ``bulk`` runs them."""
        return {
            action.name: (self.act_on_many, action.name, action.label)
            for action in bulk.choices()
            if bulk.may_use(request.user, action)
        }

    def act_on_many(self, pages: Any, request: HttpRequest, rows: Any) -> HttpResponse:
        """Ask for confirmation, or run the action."""
        everything = self.get_changelist_instance(request).get_queryset(request)
        return bulk.respond(self, request, self.get_queryset(request), everything)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list; a POST runs an action on many executions."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self.act_on_many(self, request, None)
        return super().changelist_view(
            request, {"title": _("Executions"), "counted": paging.COUNTED, **(extra_context or {})}
        )

    @or_404
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """The page of one execution; an address with the beginning of an id redirects to it."""
        try:
            pk = UUID(object_id)
        except ValueError:
            try:
                pk = ids.find(access.visible(request.user), object_id).pk
            except (ids.UnknownId, ids.AmbiguousId) as problem:
                raise Http404(str(problem)) from problem
            return HttpResponseRedirect(self.link("execution_change", pk))
        return detail.respond(self, request, self.find(request, pk))

    def find(self, request: HttpRequest, pk: Any) -> Execution:
        """The execution, branch or item; 404 if there is none, or the user may not see its root."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = Execution.objects.filter(pk=pk).select_related("parent", "rerun_of").first()
        if found is None or not self._exists(request, found):
            raise Http404
        return found

    def _exists(self, request: HttpRequest, execution: Execution) -> bool:
        rows: ExecutionQuerySet = Execution.objects.filter(pk=execution.root_id)
        return access.visible(request.user, rows).exists()

    def overview_view(self, request: HttpRequest) -> HttpResponse:
        """The page with the overview."""
        return overview.respond(self, request)

    def catalogue_view(self, request: HttpRequest) -> HttpResponse:
        """The page with all workflows."""
        return catalogue.listing(self, request)

    def workflow_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """The page of one workflow."""
        return catalogue.respond(self, request, name)

    def act_view(self, request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
        """Run one of ``ACTIONS`` on the execution."""
        return acts.respond(self, request, self.find(request, pk), name)

    def live_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The part of an unfinished execution's page that reloads itself."""
        return live.respond(self, request, self.find(request, pk))

    def raw_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The page with the execution's data, uncut."""
        return detail.raw(self, request, self.find(request, pk))

    def step_view(self, request: HttpRequest, pk: UUID, step: UUID) -> HttpResponse:
        """The page of one attempt."""
        return step_page.respond(self, request, self.find(request, pk), step)
