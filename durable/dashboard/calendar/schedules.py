"""Schedules in the admin: the list, and the page on which one is changed, switched or run."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
)
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from durable import clock
from durable.dashboard.calendar import schedule_form
from durable.dashboard.run import trail
from durable.dashboard.shared import paging, shown
from durable.dashboard.shared.base import FORMS, Pages, acting, allow, allowed, now, or_404, tell
from durable.doors import access, starting
from durable.engine.calendar import schedules as engine
from durable.errors import DurableError
from durable.models import AuditEntry, Execution, Firing, Schedule
from durable.showing.characters import visible

FIRINGS = 20
ENTRIES = 20

#: the two switches that can be posted to a schedule's page, and whether each enables
SWITCH = {"enable": True, "disable": False}


class SchedulePages(Pages):
    """All schedules: those declared in a workflow's Meta, and those made at run time."""

    sees = "view_schedules"
    posted = ("_add",)
    list_display = ("title", "state", "at", "next_run", "last_run", "problem")
    list_display_links = None  # the name links to the schedule, the workflow does not
    sortable_by = ("title", "next_run")
    list_filter = ("enabled", "declared")
    search_fields = ("name", "workflow")
    show_facets = admin.ShowFacets.NEVER
    paginator = paging.BoundedPaginator

    def get_queryset(self, request: HttpRequest) -> Any:
        """The schedules that this user may see, by name."""
        rows = Schedule.objects.annotate(present=clock.now()).order_by("name")
        return allowed(request.user, self.sees, rows)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The page with the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return super().changelist_view(request, {"title": _("Schedules"), **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """A list without "show all"."""
        return paging.BoundedList

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def title(self, row: Schedule) -> str:
        """The schedule's name, with its workflow below."""
        return format_html(
            '<a href="{}">{}</a><span class="dw-below">{}</span>',
            self.link("schedule_change", row.pk),
            visible(row.name),
            visible(row.workflow),
        )

    @admin.display(description=gettext_lazy("cron"))
    def at(self, row: Schedule) -> str:
        """The cron expression, with its time zone below."""
        cron, zone = visible(row.cron), visible(row.timezone)
        return format_html('<code>{}</code><span class="dw-below">{}</span>', cron, zone)

    @admin.display(description=gettext_lazy("state"))
    def state(self, row: Schedule) -> str:
        """Enabled or not."""
        return (
            shown.badge("alive", _("Enabled")) if row.enabled else shown.badge("off", _("Disabled"))
        )

    @admin.display(description=gettext_lazy("next run"), ordering="next_run_at")
    def next_run(self, row: Any) -> str:
        """The next slot; a dash while the schedule is disabled."""
        if not row.enabled:
            return "–"
        return shown.moment(row.next_run_at, clock.parse(row.present))

    @admin.display(description=gettext_lazy("last run"))
    def last_run(self, row: Any) -> str:
        """The last slot that started an execution."""
        return shown.moment(row.last_run_at, clock.parse(row.present))

    @admin.display(description=gettext_lazy("failures"))
    def problem(self, row: Schedule) -> str:
        """How many starts have failed in a row."""
        if not row.failures:
            return ""
        title = shown.Shown(open=False).text(row.last_error, 300)
        return format_html('<span class="dw-error" title="{}">{}</span>', title, row.failures)

    # -- a new one ---------------------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Users who may manage schedules can add one."""
        return self.has_view_permission(request) and access.may(request.user, "manage_schedules")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the form; once posted and valid, make the schedule."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        posted = request.method == "POST"
        form = schedule_form.NewScheduleForm(request.POST if posted else None, request.user)
        if posted and form.is_valid():
            new = form.schedule()
            with acting(request):
                try:
                    made = starting.schedule(request.user, new, form.cron_of(new))
                except access.AccessDenied:
                    raise
                except DurableError as refusal:
                    form.add_error(schedule_form.field_of(str(refusal)), str(refusal))
                else:
                    tell(request, _("Added."))
                    return HttpResponseRedirect(self.link("schedule_change", made.pk))
        return self.page(request, "schedule_add.html", _("Add schedule"), {"form": form})

    # -- one schedule ------------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """A posted action has an address of its own."""
        return [
            self.url("<uuid:pk>/do/<slug:name>/", self.act_view, "schedule_act", FORMS),
            *super().get_urls(),
        ]

    @or_404
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page of one schedule."""
        return self._show(request, self._find(request, object_id), None)

    def act_view(self, request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
        """Enable, disable, run now, remove, or save the edited form."""
        schedule = self._find(request, pk)
        if request.method != "POST":
            return HttpResponseRedirect(self.link("schedule_change", schedule.pk))
        allow(request, "manage_schedules", schedule)
        with acting(request):
            if name in SWITCH:
                return self._told(
                    request,
                    schedule,
                    lambda: engine.switch(schedule.name, on=SWITCH[name], by=request.user),
                    _("Enabled.") if SWITCH[name] else _("Disabled."),
                )
            if name == "run":
                return self._run_now(request, schedule)
            if name == "remove":
                return self._remove(request, schedule)
            if name == "edit":
                return self._edit(request, schedule)
        raise Http404

    def _told(self, request: HttpRequest, schedule: Schedule, call: Any, done: str) -> HttpResponse:
        try:
            call()
        except DurableError as refusal:
            tell(request, str(refusal), messages.ERROR)
        else:
            tell(request, done)
        return HttpResponseRedirect(self.link("schedule_change", schedule.pk))

    def _run_now(self, request: HttpRequest, schedule: Schedule) -> HttpResponse:
        try:
            execution = starting.trigger(request.user, schedule)
        except access.AccessDenied:
            raise
        except DurableError as refusal:
            tell(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(self.link("schedule_change", schedule.pk))
        tell(request, _("Started."))
        seen = access.may(request.user, "view", execution)
        name, pk = ("execution_change", execution.pk) if seen else ("schedule_change", schedule.pk)
        return HttpResponseRedirect(self.link(name, pk))

    def _remove(self, request: HttpRequest, schedule: Schedule) -> HttpResponse:
        try:
            engine.unschedule(schedule.name, by=request.user)
        except DurableError as refusal:
            tell(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(self.link("schedule_change", schedule.pk))
        tell(request, _("%s is removed; what it has started stays.") % visible(schedule.name))
        return HttpResponseRedirect(self.link("schedule_changelist"))

    def _edit(self, request: HttpRequest, schedule: Schedule) -> HttpResponse:
        if schedule.declared:
            tell(request, schedule_form.declared(schedule), messages.ERROR)
            return HttpResponseRedirect(self.link("schedule_change", schedule.pk))
        form = schedule_form.ScheduleForm(request.POST, open=_open(request))
        if form.is_valid():
            try:
                starting.schedule(request.user, schedule, form.cron_of(schedule))
            except access.AccessDenied:
                raise
            except DurableError as refusal:
                form.add_error(schedule_form.field_of(str(refusal)), str(refusal))
            else:
                tell(request, _("Changed."))
                return HttpResponseRedirect(self.link("schedule_change", schedule.pk))
        return self._show(request, schedule, form)

    def _find(self, request: HttpRequest, pk: Any) -> Schedule:
        try:
            found = Schedule.objects.filter(pk=UUID(str(pk))).first()
        except ValueError:
            found = None
        if not self.has_view_permission(request):
            raise PermissionDenied
        if found is None or not access.may(request.user, "view_schedules", found):
            raise Http404
        return found

    def _show(
        self, request: HttpRequest, schedule: Schedule, form: schedule_form.ScheduleForm | None
    ) -> HttpResponse:
        may_manage = access.may(request.user, "manage_schedules", schedule)
        values = shown.Shown(_open(request))
        if form is None and may_manage and not schedule.declared:
            form = schedule_form.ScheduleForm(schedule_form.initial(schedule), open=values.open)
        return self.page(
            request,
            "schedule.html",
            visible(schedule.name),
            {
                "schedule": schedule,
                "next_runs": schedule_form.next_runs(schedule, now(request)),
                "firings": _firings(schedule, request.user),
                "input": values.value(schedule.input),
                "error": values.text(schedule.last_error),
                "may_manage": may_manage,
                "declared": schedule_form.declared(schedule) if schedule.declared else "",
                "form": form,
                "shows_input": form is not None and "input" in form.fields,
                "entries": self._entries(request, schedule, values),
            },
        )

    def _entries(self, request: HttpRequest, schedule: Schedule, values: Any) -> list[Any]:
        if not access.may(request.user, "view_audit", schedule):
            return []
        rows = AuditEntry.objects.filter(target=schedule.name, action__endswith="schedule")
        return [trail.entry(row, values) for row in rows.order_by("-id")[:ENTRIES]]


def _open(request: HttpRequest) -> bool:
    """Whether this user may see the input."""
    return access.may(request.user, "view_payload", None)


def _firings(schedule: Schedule, user: Any) -> list[tuple[Firing, Execution | None]]:
    """The last firings, each with its execution if this user may see the execution."""
    rows = list(schedule.firings.order_by("-slot")[:FIRINGS])
    ids = [row.execution_id for row in rows if row.execution_id]
    seen = access.visible(user, Execution.objects.filter(pk__in=ids)).only("status")
    known: dict[Any, Execution] = {execution.pk: execution for execution in seen}
    return [(row, known.get(row.execution_id)) for row in rows]
