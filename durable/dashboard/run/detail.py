"""The page of one execution: all its parts, read with a bounded number of queries."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from durable.dashboard.run import facts, family, graph, steps, timeline, trail, waiting
from durable.dashboard.shared.base import Pages, now
from durable.dashboard.shared.shown import EVERYTHING, Shown
from durable.doors import access
from durable.doors.actions import offered
from durable.models import (
    Execution,
    StepRun,
    Wait,
)
from durable.showing.characters import visible

SHOWN_WAITS = 100


def respond(pages: Pages, request: HttpRequest, execution: Execution) -> HttpResponse:
    """The whole page."""
    return pages.page(
        request,
        "execution/detail.html",
        visible(execution.workflow),
        context(pages, request, execution),
    )


def context(pages: Pages, request: HttpRequest, execution: Execution) -> dict[str, Any]:
    """The context of the page and of its live part; a bounded number of queries."""
    user = request.user
    shown = Shown(access.may(user, "view_payload", execution))
    names = steps.family(execution)
    own = StepRun.objects.filter(execution__in=names)
    runs = _light(own)
    waits = list(Wait.objects.filter(execution__in=names).visible()[:SHOWN_WAITS])
    mine = waiting.asked(user, waits)
    children, more_children = family.children_of(user, execution)
    compensations = steps.page_of(execution.compensations, names, shown, request.GET.get("undone"))
    return {
        "now": now(request),
        "execution": execution,
        "shown": shown,
        "actions": offered(execution, user),
        "facts": facts.facts(execution, user, shown),
        "took": facts.took(execution),
        "tags": shown.pairs(execution.tags),
        "standing": waiting.standing(execution, waits),
        "error": _error(execution, shown),
        "graph": graph.render(execution, _links(pages, runs)),
        "undrawn": graph.undrawn(execution),
        "timeline": _timeline(execution, runs, waits, names, request),
        "steps": steps.page_of(
            own.filter(compensation=False), names, shown, request.GET.get("steps")
        ),
        "compensations": compensations,
        "waits": [waiting.row(wait, names, shown, wait.pk in mine) for wait in waits],
        "more_waits": len(waits) == SHOWN_WAITS,
        "events": waiting.events(execution, shown, user),
        "parts": family.parts_of(execution, request.GET.get("parts")),
        "children": children,
        "more_children": more_children,
        "ancestors": family.ancestors_of(user, execution),
        "reruns": family.reruns_of(user, execution),
        "entries": trail.entries(execution, shown, user),
        "values": _values(execution, shown),
    }


def raw(pages: Pages, request: HttpRequest, execution: Execution) -> HttpResponse:
    """The page with the execution's data and row, uncut."""
    shown = Shown(access.may(request.user, "view_payload", execution))
    more = [
        ("base", shown.value(execution.base, EVERYTHING)),
        ("outcome", shown.value(execution.outcome, EVERYTHING)),
        ("row", shown.value(_columns(execution), EVERYTHING)),
    ]
    values = [*_values(execution, shown, EVERYTHING), *more]
    return pages.page(
        request,
        "execution/raw.html",
        _("Raw data"),
        {"execution": execution, "values": [pair for pair in values if pair[1] != "null"]},
    )


# -- the parts -------------------------------------------------------------------------------------


def _error(execution: Execution, shown: Shown) -> dict[str, Any] | None:
    error = execution.error
    if not error:
        return None
    return {
        "type": visible(error.get("type") or ""),
        "message": shown.text(error.get("message") or ""),
        "step": visible(error.get("step") or ""),
        "attempt": error.get("attempt"),
        "traceback": shown.text(error.get("traceback") or ""),
        "details": shown.value(error["details"]) if error.get("details") else "",
    }


def _light(own: Any) -> list[StepRun]:
    """The last ``timeline.READ`` attempts without their values, in the order of time."""
    light = own.only(
        "execution_id",
        "path",
        "visit",
        "attempt",
        "compensation",
        "status",
        "started_at",
        "ended_at",
    )
    return list(reversed(light.order_by("-started_at", "-id")[: timeline.READ]))


def _links(pages: Pages, runs: list[StepRun]) -> dict[str, str]:
    """The address of each step's last attempt, by path."""
    return {
        run.path: pages.link("execution_step", run.execution_id, run.pk)
        for run in runs
        if not run.compensation
    }


def _timeline(
    execution: Execution, runs: list[StepRun], waits: list[Wait], names: Any, request: HttpRequest
) -> Any:
    """The chart of attempts and waits, with the running attempt at the end."""
    bars = timeline.bars_of(runs, waits, names)
    current = timeline.current_bar(execution)
    return timeline.draw([*bars, current] if current else bars, now(request))


def _values(execution: Execution, shown: Shown, limit: int = 20_000) -> list[tuple[str, str]]:
    return [
        ("input", shown.value(execution.input, limit)),
        ("data", shown.value(execution.data, limit)),
    ]


_ROW = (
    "id", "workflow", "version", "kind", "status", "role", "root_id", "parent_id", "former_parent",
    "parent_path",
    "parent_visit", "index", "branch", "awaited", "cancelled_with_parent", "released",
    "rerun_of_id", "queue", "home_queue", "rank", "ready_at", "wake_at",
    "resume_at", "fence", "worker", "path", "visit", "attempt", "attempt_floor", "recoveries",
    "journaled", "last_completed_at", "tags", "idempotency_key",
    "subject_type", "subject_id", "pause_requested", "cancel_requested_at", "cancel_reason",
    "cancel_compensate", "blocked_by", "created_at", "scheduled_at", "started_at", "finished_at",
    "deadline_at", "progress", "error",
)  # fmt: skip


def _columns(execution: Execution) -> dict[str, Any]:
    return {name: getattr(execution, name) for name in _ROW}
