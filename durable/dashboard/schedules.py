"""Schedules in the admin: what comes next, what came of the last slots, and changing them."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from durable import clock
from durable.authoring.cron import Cron, slots_after, zone_of
from durable.dashboard import detail, paging, shown
from durable.dashboard.base import Pages, acting, allow, allowed, now, tell
from durable.dashboard.values import JsonField
from durable.doors import access
from durable.engine import fire
from durable.engine import schedules as engine
from durable.errors import DurableError
from durable.models import AuditEntry, CatchUp, Execution, Firing, Overlap, Schedule

PREVIEW = 5
FIRINGS = 20
ENTRIES = 20
LONGEST_JITTER = 86_400

#: what can be posted to a schedule's page
SWITCH = {"enable": True, "disable": False}


class ScheduleForm(forms.Form):
    """What can be changed of a schedule that was made at run time."""

    cron = forms.CharField(label=gettext_lazy("Cron expression"), max_length=200)
    timezone = forms.CharField(label=gettext_lazy("Time zone"), max_length=100)
    catch_up = forms.ChoiceField(label=gettext_lazy("Missed slots"), choices=CatchUp.choices)
    overlap = forms.ChoiceField(
        label=gettext_lazy("While the run before goes on"), choices=Overlap.choices
    )
    jitter = forms.IntegerField(
        label=gettext_lazy("Spread starts over (seconds)"),
        required=False,
        min_value=0,
        max_value=LONGEST_JITTER,
    )
    input = JsonField(label=gettext_lazy("Input"), required=False)

    def __init__(self, data: Any, *, open: bool) -> None:
        """``open``: the input is shown, and can be changed."""
        super().__init__(data)
        if not open:  # who may not see a value can't save it without losing it
            del self.fields["input"]

    def cron_of(self, schedule: Schedule) -> Cron:
        """The schedule that is described; ``DurableError`` says what is wrong with it."""
        values = self.cleaned_data
        jitter = values["jitter"]
        return Cron(
            values["cron"],
            name=schedule.name,
            timezone=values["timezone"],
            catch_up=values["catch_up"],
            overlap=values["overlap"],
            jitter=timedelta(seconds=jitter) if jitter else None,
            input=JsonField.kept(values.get("input"), schedule.input),
        )


class SchedulePages(Pages):
    """Those that classes declare, and those made at run time."""

    sees = "view_schedules"
    list_display = ("title", "state", "flow", "at", "zone", "next_run", "last_run", "problem")
    sortable_by = ("title", "next_run")
    list_filter = ("enabled", "declared")
    search_fields = ("name", "workflow")
    show_facets = admin.ShowFacets.NEVER
    paginator = paging.BoundedPaginator

    def get_queryset(self, request: HttpRequest) -> Any:
        """Those that this person may see, by name."""
        rows = Schedule.objects.annotate(present=clock.now()).order_by("name")
        return allowed(request.user, self.sees, rows)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return HttpResponseNotAllowed(["GET"])
        return super().changelist_view(request, {"title": _("Schedules"), **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """A list that does not offer to show all."""
        return paging.BoundedList

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def title(self, row: Schedule) -> str:
        """Its name."""
        return shown.plain(row.name)

    @admin.display(description=gettext_lazy("workflow"))
    def flow(self, row: Schedule) -> str:
        """What it starts."""
        return shown.plain(row.workflow)

    @admin.display(description=gettext_lazy("cron"))
    def at(self, row: Schedule) -> str:
        """The expression."""
        return format_html("<code>{}</code>", shown.plain(row.cron))

    @admin.display(description=gettext_lazy("state"))
    def state(self, row: Schedule) -> str:
        """Enabled or not."""
        return shown.badge("alive", _("Enabled")) if row.enabled else shown.badge("off", _("Off"))

    @admin.display(description=gettext_lazy("time zone"))
    def zone(self, row: Schedule) -> str:
        """Of the expression."""
        return shown.plain(row.timezone)

    @admin.display(description=gettext_lazy("next run"), ordering="next_run_at")
    def next_run(self, row: Any) -> str:
        """None while it is off."""
        if not row.enabled:
            return "–"
        return shown.moment(row.next_run_at, clock.parse(row.present))

    @admin.display(description=gettext_lazy("last run"))
    def last_run(self, row: Any) -> str:
        """The last slot that started something."""
        return shown.moment(row.last_run_at, clock.parse(row.present))

    @admin.display(description=gettext_lazy("failures"))
    def problem(self, row: Schedule) -> str:
        """How often nothing could be started, since it last worked."""
        if not row.failures:
            return ""
        title = shown.Shown(open=False).text(row.last_error, 300)
        return format_html('<span class="dw-error" title="{}">{}</span>', title, row.failures)

    # -- one schedule ------------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """What is posted goes to an address of its own."""
        return [
            self.url("<uuid:pk>/do/<slug:name>/", self.act_view, "schedule_act"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One schedule."""
        return self._show(request, self._find(request, object_id), None)

    def act_view(self, request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
        """Enable, disable, run now, or save what was edited."""
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
                    _("Enabled.") if SWITCH[name] else _("Switched off."),
                )
            if name == "run":
                return self._run_now(request, schedule)
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
            execution = fire.trigger(schedule.name, by=request.user)
        except DurableError as refusal:
            tell(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(self.link("schedule_change", schedule.pk))
        tell(request, _("Started."))
        seen = access.may(request.user, "view", execution)
        name, pk = ("execution_change", execution.pk) if seen else ("schedule_change", schedule.pk)
        return HttpResponseRedirect(self.link(name, pk))

    def _edit(self, request: HttpRequest, schedule: Schedule) -> HttpResponse:
        if schedule.declared:
            tell(request, _declared(schedule), messages.ERROR)
            return HttpResponseRedirect(self.link("schedule_change", schedule.pk))
        form = ScheduleForm(request.POST, open=_open(request))
        if form.is_valid():
            try:
                engine.schedule(schedule.workflow, form.cron_of(schedule), by=request.user)
            except DurableError as refusal:
                form.add_error(_field_of(str(refusal)), str(refusal))
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
        self, request: HttpRequest, schedule: Schedule, form: ScheduleForm | None
    ) -> HttpResponse:
        may_manage = access.may(request.user, "manage_schedules", schedule)
        values = shown.Shown(_open(request))
        if form is None and may_manage and not schedule.declared:
            form = ScheduleForm(_initial(schedule), open=values.open)
        return self.page(
            request,
            "schedule.html",
            shown.plain(schedule.name),
            {
                "schedule": schedule,
                "next_runs": next_runs(schedule, now(request)),
                "firings": _firings(schedule, request.user),
                "input": values.value(schedule.input),
                "error": values.text(schedule.last_error),
                "may_manage": may_manage,
                "declared": _declared(schedule) if schedule.declared else "",
                "form": form,
                "shows_input": form is not None and "input" in form.fields,
                "entries": self._entries(request, schedule, values),
            },
        )

    def _entries(self, request: HttpRequest, schedule: Schedule, values: Any) -> list[Any]:
        if not access.may(request.user, "view_audit", schedule):
            return []
        rows = AuditEntry.objects.filter(target=schedule.name, action__endswith="schedule")
        return [detail.entry(row, values) for row in rows.order_by("-id")[:ENTRIES]]


def _open(request: HttpRequest) -> bool:
    """Whether nothing of the input is hidden from this person."""
    return access.may(request.user, "view_payload", None)


def _firings(schedule: Schedule, user: Any) -> list[tuple[Firing, Execution | None]]:
    """The last slots, each with its execution if this person may see that."""
    rows = list(schedule.firings.order_by("-slot")[:FIRINGS])
    ids = [row.execution_id for row in rows if row.execution_id]
    seen = access.visible(user, Execution.objects.filter(pk__in=ids)).only("status")
    known: dict[Any, Execution] = {execution.pk: execution for execution in seen}
    return [(row, known.get(row.execution_id)) for row in rows]


def next_runs(schedule: Schedule, present: datetime) -> list[datetime]:
    """The next slots, in the schedule's zone; none for a row that something else has written."""
    try:
        zone = zone_of(schedule.timezone)
        after = max(present, (schedule.next_run_at or present) - timedelta(microseconds=1))
        return [
            slot.astimezone(zone)
            for slot in islice(slots_after(schedule.cron, zone, after), PREVIEW)
        ]
    except (ValueError, OSError, KeyError):
        return []


def _initial(schedule: Schedule) -> dict[str, Any]:
    return {
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "catch_up": schedule.catch_up,
        "overlap": schedule.overlap,
        "jitter": int(schedule.jitter.total_seconds()) if schedule.jitter else None,
        "input": JsonField.written(schedule.input),
    }


def _declared(schedule: Schedule) -> str:
    return _(
        "The schedule is declared in the Meta of %s: change it there. It can be switched off here."
    ) % shown.plain(schedule.workflow)


def _field_of(problem: str) -> str | None:
    """Which input a refusal is about."""
    if "time zone" in problem:
        return "timezone"
    return "cron" if problem.startswith("Cron(") else None
