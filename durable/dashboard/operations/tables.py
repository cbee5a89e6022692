"""Events and audit entries in the admin: read-only lists with a page for each row."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from durable import clock
from durable.dashboard.list import filters
from durable.dashboard.list.search import words
from durable.dashboard.run import trail
from durable.dashboard.shared import paging, shown
from durable.dashboard.shared.base import Pages, or_404
from durable.doors import access
from durable.models import AuditEntry, Event, Execution
from durable.showing.characters import visible


class Table(Pages):
    """A list, the newest first, with a page for each row."""

    ordering = ("-id",)
    sortable_by = ()
    list_per_page = 50
    paginator = paging.BoundedPaginator
    show_facets = admin.ShowFacets.NEVER
    columns: tuple[str, ...] = ()  # a search compares these columns, exactly

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """A list without "show all", counted up to a bound."""
        return paging.BoundedList

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """The rows in which one of ``columns`` equals the text."""
        text = search_term.strip()
        if not text:
            return queryset, False
        if "\x00" in text or words(text) is None:
            return queryset.none(), False
        wanted = Q()
        for column in self.columns:
            wanted |= Q(**{column: text})
        return queryset.filter(wanted), False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The page with the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def found(self, request: HttpRequest, pk: str) -> Any:
        """The row; 404 if there is none, or this user may not see the row."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            row = self.get_queryset(request).filter(pk=UUID(pk)).first()
        except ValueError:
            row = None
        if row is None:
            raise Http404
        return row

    @admin.display(description=_("execution"))
    def execution_link(self, row: Any) -> str:
        """A link to the row's execution."""
        if row.execution_id is None:
            return ""
        address = self.link("execution_change", row.execution_id)
        return format_html(
            '<a href="{}"><code class="dw-id">{}</code></a>', address, shown.short(row.execution_id)
        )


class EventPages(Table):
    """Events and their delivery."""

    list_display = ("event", "state", "execution_link", "under", "received")
    list_filter = ("status",)
    search_fields = ("name",)
    search_help_text = _("The name of an event, its key, or the id that its sender gave it")
    columns = ("name", "key", "event_id")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Django's permission for events; the rows are scoped by the user's executions."""
        user: Any = request.user
        return bool(user.is_active and user.has_perm("durable.view_event"))

    def get_queryset(self, request: HttpRequest) -> Any:
        """The events that this user may see."""
        rows = access.visible_events(request.user).defer("payload")
        return rows.annotate(present=clock.now()).order_by(*self.ordering)

    @admin.display(description=_("event"))
    def event(self, row: Event) -> str:
        """The event's name."""
        return visible(row.name)

    @admin.display(description=_("key"))
    def under(self, row: Event) -> str:
        """The key under which the event was published."""
        return visible(row.key)

    @admin.display(description=_("status"))
    def state(self, row: Event) -> str:
        """The event's status."""
        return shown.badge(row.status)

    @admin.display(description=_("received"))
    def received(self, row: Any) -> str:
        """The time of arrival, relative to now."""
        return shown.moment(row.created_at, clock.parse(row.present))

    @or_404
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page of one event with its payload."""
        event = self.found(request, object_id)
        execution = Execution.objects.filter(pk=event.execution_id).first()
        values = shown.Shown(access.may(request.user, "view_payload", execution))
        context = {
            "event": event,
            "payload": values.value(event.payload),
            "copies": event.copies.count() if event.execution_id is None else 0,
            "masked": not values.open,
        }
        return self.page(request, "event.html", visible(event.name), context)


class ByAction(admin.SimpleListFilter):
    """Entries of one action."""

    title = _("action")
    parameter_name = "action"
    known = (
        "start", "start_many", "cancel", "retry", "pause", "resume", "rerun", "compensate",
        "provide_input", "reassign", "send_event", "publish_event", "schedule", "unschedule",
        "enable_schedule", "disable_schedule", "trigger_schedule", "pause_queue", "resume_queue",
        "limit_queue",
    )  # fmt: skip

    def lookups(self, request: Any, model_admin: Any) -> Any:
        """The actions that the engine records."""
        return [(name, name.replace("_", " ")) for name in self.known]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """The entries of the chosen action."""
        return queryset if self.value() is None else queryset.filter(action=self.value())


class ByExecution(filters.Linked):
    """Entries about one execution."""

    title = _("execution")
    parameter_name = "execution"
    column = "execution_id"


class AuditPages(Table):
    """The audit trail: the author, the change, the time and the door of each entry."""

    sees = "view_audit"
    list_display = ("when", "who", "act", "about", "execution_link", "change", "source")
    list_display_links = ("when",)
    list_filter = (ByAction, ByExecution)
    search_fields = ("actor_name",)
    search_help_text = _("The name of a user, of a schedule, of a queue, or of a workflow")
    columns = ("actor_name", "target")

    def get_queryset(self, request: HttpRequest) -> Any:
        """All entries; with policies only those about executions that this user may see."""
        rows = AuditEntry.objects.annotate(present=clock.now()).order_by(*self.ordering)
        if access.policies():
            rows = rows.filter(execution_id__in=access.visible(request.user).values("pk"))
        return rows

    @admin.display(description=_("when"))
    def when(self, row: Any) -> str:
        """The time of the change, relative to now."""
        return shown.moment(row.at, clock.parse(row.present))

    @admin.display(description=_("who"))
    def who(self, row: AuditEntry) -> str:
        """The user's name at that time; empty for the program itself."""
        return visible(row.actor_name)

    @admin.display(description=_("about"))
    def about(self, row: AuditEntry) -> str:
        """The name of the workflow, schedule or queue."""
        return visible(row.target)

    @admin.display(description=_("from"))
    def source(self, row: AuditEntry) -> str:
        """The door and the address."""
        return visible(row.origin)

    @admin.display(description=_("action"))
    def act(self, row: AuditEntry) -> str:
        """The action in words."""
        return visible(row.action.replace("_", " "))

    @admin.display(description=_("change"))
    def change(self, row: AuditEntry) -> str:
        """The values before and after, cut and masked."""
        values = shown.Shown(open=False)
        before, after = (
            values.line(trail.shown_change(row, value, values), 80)
            for value in (row.before, row.after)
        )
        if row.before is None:
            return "" if row.after is None else after
        return f"{before} → {after}"

    def _whole(self, row: AuditEntry, value: Any, values: shown.Shown) -> str:
        return "" if value is None else values.value(trail.shown_change(row, value, values))

    @or_404
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page of one audit entry."""
        row = self.found(request, object_id)
        execution = Execution.objects.there().filter(pk=row.execution_id).first()
        values = shown.Shown(access.may(request.user, "view_payload", execution))
        context = {
            "entry": trail.entry(row, values),
            "before": self._whole(row, row.before, values),
            "after": self._whole(row, row.after, values),
            "execution": execution,
        }
        return self.page(request, "audit_entry.html", _("Audit entry"), context)
