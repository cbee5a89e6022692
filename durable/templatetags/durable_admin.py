"""Tags and filters of the dashboard's templates: navigation, badges, times."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from durable.dashboard.shared import base, shown
from durable.doors import access
from durable.showing import times
from durable.showing.characters import visible

register = template.Library()
register.filter("visible", visible)

#: each page of the dashboard: its name, its label, and the action a user must be allowed
NAVIGATION = (
    ("durable_overview", _("Overview"), "view"),
    ("durable_execution_changelist", _("Executions"), "view"),
    ("durable_input_changelist", _("Waiting for people"), None),
    ("durable_workflows", _("Workflows"), "view"),
    ("durable_schedule_changelist", _("Schedules"), "view_schedules"),
    ("durable_queue_changelist", _("Queues"), "view_queues"),
    ("durable_worker_changelist", _("Workers"), "view_workers"),
    ("durable_event_changelist", _("Events"), "view_events"),
    ("durable_auditentry_changelist", _("Audit"), "view_audit"),
)


@register.inclusion_tag("admin/durable/parts/navigation.html", takes_context=True)
def durable_navigation(context: Any) -> dict[str, Any]:
    """The links to the pages that this user may see."""
    request = context["request"]
    links: list[dict[str, Any]] = []
    for name, label, action in NAVIGATION:
        address = _address(request, name)
        if address and _may_see(request.user, action):
            links.append({"url": address, "label": label, "here": ""})
    around = [link for link in links if request.path.startswith(link["url"])]
    if around:  # the page of one thing is below its list
        nearest = max(around, key=lambda link: len(link["url"]))
        nearest["here"] = "page" if request.path == nearest["url"] else "true"
    return {"links": links}


def _may_see(user: Any, action: str | None) -> bool:
    if action is None:
        return True
    if action == "view_events":
        return bool(user.has_perm("durable.view_event"))
    return access.may(user, action)


def _address(request: Any, name: str, *args: Any) -> str | None:
    try:
        return reverse(
            f"admin:{name}", args=args, current_app=getattr(request, "current_app", None)
        )
    except NoReverseMatch:  # this admin site does not have the page
        return None


@register.simple_tag(takes_context=True)
def page_url(context: Any, name: str, *args: Any) -> str:
    """The address of a page of the dashboard on this admin site; empty if it has no such page."""
    return _address(context.get("request"), f"durable_{name}", *args) or ""


@register.simple_tag
def badge(status: Any, label: Any = None) -> SafeString:
    """A status as a badge: its label on its colour."""
    return shown.badge(status, label)


@register.simple_tag(takes_context=True)
def moment(context: Any, value: datetime | None) -> SafeString | str:
    """A relative time, with the absolute one as its tooltip."""
    present = context.get("now") or base.now(context["request"])
    return shown.moment(value, present)


@register.simple_tag(takes_context=True)
def exact(context: Any, value: datetime | None) -> SafeString | str:
    """A relative time with the absolute one beside it."""
    return shown.exact(value, context.get("now") or base.now(context["request"]))


@register.filter
def duration(span: timedelta | str | None) -> str:
    """A span for people; empty for any other type (an undefined variable)."""
    return times.duration(span) if isinstance(span, timedelta) else ""


@register.filter
def absolute(value: datetime | None) -> str:
    """A time in the reader's zone."""
    return times.absolute(value) if value else ""


@register.filter
def shorter(pk: Any) -> str:
    """The beginning and the end of an id."""
    return shown.short(pk)


@register.filter
def slot(value: datetime) -> str:
    """A slot of a schedule in its own zone."""
    return times.slot(value)


@register.filter
def hour(value: datetime) -> str:
    """The hour of a time, in the reader's zone."""
    return times.hour(value)
