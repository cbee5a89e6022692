"""The forms that add and change a schedule, and a preview of its next slots."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django import forms
from django.conf import settings
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from durable.authoring.calendar.cron import Cron, slots_after, zone_of
from durable.authoring.parse import registry
from durable.authoring.values import MAX_NAME
from durable.dashboard.shared.values import JsonField
from durable.engine.calendar.schedules import known_workflows
from durable.models import CatchUp, Overlap, Schedule
from durable.showing.characters import visible

PREVIEW = 5
LONGEST_JITTER = 86_400


class ScheduleForm(forms.Form):
    """The options of a schedule made at run time, all of which can be changed."""

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
        """``open``: the user may see payloads, so the form shows the input and can change it."""
        super().__init__(data)
        if not open:  # a user who may not see the input would lose it by saving
            del self.fields["input"]

    def cron_of(self, schedule: Schedule) -> Cron:
        """The ``Cron`` that the form describes; raises ``DurableError`` if its values are wrong."""
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


class NewScheduleForm(ScheduleForm):
    """A schedule to be added: the fields of ``ScheduleForm``, its workflow and its name."""

    workflow = forms.ChoiceField(label=gettext_lazy("Workflow"))
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=MAX_NAME,
        help_text=gettext_lazy("It can't be changed later."),
    )
    field_order = ("workflow", "name")

    def __init__(self, data: Any, user: Any) -> None:
        super().__init__(data, open=True)
        starts = {
            cls.definition.name: visible(capfirst(str(cls.definition.options.verbose_name)))
            for cls in map(registry.latest, known_workflows())
            if user.has_perms(cls.definition.options.permissions)
        }
        choices = sorted(starts.items(), key=lambda pair: pair[1].casefold())
        field: Any = self.fields["workflow"]
        field.choices = [("", "---------"), *choices]
        self.fields["timezone"].initial = settings.TIME_ZONE
        self.fields["cron"].help_text = _(
            "Minute, hour, day of the month, month, day of the week: 0 9 * * 1-5 is nine o'clock "
            "on working days. Or @daily, @hourly and so on."
        )

    def clean_name(self) -> str:
        """The name; refused if a schedule has it already."""
        name = str(self.cleaned_data["name"])
        if Schedule.objects.filter(name=name).exists():
            raise forms.ValidationError(_("There is a schedule of this name."))
        return name

    def schedule(self) -> Schedule:
        """The new row, unsaved."""
        values = self.cleaned_data
        return Schedule(name=values["name"], workflow=values["workflow"], input={})


def next_runs(schedule: Schedule, present: datetime) -> list[datetime]:
    """The next slots, in the schedule's zone; none if the row's cron or zone cannot be read."""
    try:
        zone = zone_of(schedule.timezone)
        after = max(present, (schedule.next_run_at or present) - timedelta(microseconds=1))
        return [
            slot.astimezone(zone)
            for slot in islice(slots_after(schedule.cron, zone, after), PREVIEW)
        ]
    except (ValueError, OSError, KeyError):
        return []


def initial(schedule: Schedule) -> dict[str, Any]:
    return {
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "catch_up": schedule.catch_up,
        "overlap": schedule.overlap,
        "jitter": int(schedule.jitter.total_seconds()) if schedule.jitter else None,
        "input": JsonField.written(schedule.input),
    }


def declared(schedule: Schedule) -> str:
    return _(
        "The schedule is declared in the Meta of %s: change it there. It can be disabled here."
    ) % visible(schedule.workflow)


def field_of(problem: str) -> str | None:
    """The form field to which a refusal belongs; None for the whole form."""
    if "time zone" in problem:
        return "timezone"
    if "name" in problem and "is longer" in problem:
        return "name"
    return "cron" if problem.startswith("Cron(") else None
