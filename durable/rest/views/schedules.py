"""The views of schedules: list, look, enable, disable, and start one run now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest_framework import serializers as fields
from rest_framework.request import Request
from rest_framework.response import Response

from durable.doors import access, starting
from durable.engine.calendar import schedules
from durable.models import Schedule as Row
from durable.rest.base import pagination, permissions
from durable.rest.base.pagination import Order
from durable.rest.base.shown import MaskedData, MaskedText
from durable.rest.base.view import View
from durable.rest.schema import requests, serializers
from durable.rest.schema.operations import Operation, Parameter
from durable.rest.schema.serializers import ExecutionSummary, Read
from durable.showing import times

NAME = Parameter("name", "The name of a schedule.", place="path")


class ScheduleSerializer(Read):
    """A workflow that starts by the calendar."""

    name = fields.CharField()
    workflow = fields.CharField()
    cron = fields.CharField()
    timezone = fields.CharField()
    input = MaskedData()
    catch_up = fields.CharField()
    overlap = fields.CharField()
    jitter = fields.SerializerMethodField(help_text="Seconds.")
    enabled = fields.BooleanField()
    declared = fields.BooleanField(help_text="In a class, not at run time.")
    next_run_at = fields.DateTimeField(allow_null=True)
    last_run_at = fields.DateTimeField(allow_null=True)
    failures = fields.IntegerField()
    last_error = MaskedText()

    def get_jitter(self, row: Row) -> float | None:
        """The jitter in seconds, or None."""
        return times.in_seconds(row.jitter)


class _ScheduleView(View):
    def row(self, name: str) -> Row:
        """The schedule of this name; raises ``ScheduleNotFound`` if the user may not see it."""
        permissions.require(self.request.user, "view_schedules")
        found = schedules.find(name)
        if not access.may(self.request.user, "view_schedules", found):
            return schedules.find(name, Row.objects.none())
        self.check_object_permissions(self.request, found)
        return found


class Schedules(_ScheduleView):
    """The schedules, by name."""

    operations = {
        "GET": Operation(
            "schedules",
            "List schedules",
            {200: serializers.page_of(ScheduleSerializer)},
            parameters=pagination.PARAMETERS,
        )
    }

    def get(self, request: Request) -> Response:
        """One page of schedules."""
        permissions.require(request.user, "view_schedules")

        def seen(rows: Any) -> Any:
            return access.allowed(request.user, "view_schedules", rows)

        return self.listed(
            request, Row.objects.all(), Order(("name",)), ScheduleSerializer, keep=seen
        )


class OneSchedule(_ScheduleView):
    """One schedule."""

    operations = {
        "GET": Operation(
            "schedule",
            "Look at a schedule",
            {200: ScheduleSerializer},
            parameters=(NAME,),
            problems=(404,),
        )
    }

    def get(self, request: Request, name: str) -> Response:
        """The schedule as it is now."""
        return Response(self.shown(self.row(name)))


class _ScheduleChange(_ScheduleView):
    """An operator's change of a schedule."""

    code: int
    change: Callable[..., Any]

    def post(self, request: Request, name: str) -> Response:
        """Make the change."""
        row = self.row(name)
        access.require(request.user, "manage_schedules", row)
        requests.read(request, requests.Nothing)
        changed = type(self).change(request.user, row)
        return Response(self.shown(changed, self.code), self.code)


def _change(name: str, summary: str, call: Any, answers: dict[int, type[Read]]) -> type[View]:
    operation = Operation(
        f"schedule_{name}",
        summary,
        answers,
        takes=requests.Nothing,
        parameters=(NAME,),
        problems=(404, 409),
    )
    members: dict[str, Any] = {
        "__doc__": _ScheduleChange.__doc__,
        "__module__": __name__,
        "operations": {"POST": operation},
        "code": next(iter(answers)),
        "change": staticmethod(call),
    }
    return type(f"{name.title()}Schedule", (_ScheduleChange,), members)


def _enable(user: Any, row: Row) -> Row:
    return schedules.switch(row.name, on=True, by=user)


def _disable(user: Any, row: Row) -> Row:
    return schedules.switch(row.name, on=False, by=user)


CHANGES: dict[str, type[View]] = {
    "enable": _change("enable", "Let a schedule fire", _enable, {200: ScheduleSerializer}),
    "disable": _change("disable", "Switch a schedule off", _disable, {200: ScheduleSerializer}),
    "trigger": _change("trigger", "Run a schedule now", starting.trigger, {201: ExecutionSummary}),
}
