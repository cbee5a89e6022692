"""The page of one execution: all that is remembered of it, and what can be done with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from durable.dashboard import family, graph, steps, timeline
from durable.dashboard.base import Pages, now
from durable.dashboard.shown import EVERYTHING, Shown, plain
from durable.doors import access
from durable.doors.actions import offered
from durable.models import (
    AuditEntry,
    CorrelationKey,
    Event,
    Execution,
    StepRun,
    Wait,
    WaitKind,
    WaitStatus,
    Worker,
)
from durable.states import Status

SHOWN_WAITS = 100
SHOWN_EVENTS = 50
SHOWN_ENTRIES = 50


def respond(pages: Pages, request: HttpRequest, execution: Execution) -> HttpResponse:
    """The whole page."""
    return pages.page(
        request,
        "execution/detail.html",
        plain(execution.workflow),
        context(pages, request, execution),
    )


def context(pages: Pages, request: HttpRequest, execution: Execution) -> dict[str, Any]:
    """What the page and its live part are made of; a bounded number of queries."""
    user = request.user
    shown = Shown(access.may(user, "view_payload", execution))
    names = steps.family(execution)
    own = StepRun.objects.filter(execution__in=names)
    runs = _light(own)
    waits = list(Wait.objects.filter(execution__in=names).visible()[:SHOWN_WAITS])
    children, more_children = family.children_of(user, execution)
    compensations = steps.page_of(execution.compensations, names, shown, request.GET.get("undone"))
    return {
        "now": now(request),
        "execution": execution,
        "shown": shown,
        "actions": offered(execution, user),
        "facts": facts(execution, user, shown),
        "took": _took(execution),
        "tags": shown.pairs(execution.tags),
        "standing": standing(execution, waits),
        "error": _error(execution, shown),
        "graph": graph.render(execution, _links(pages, runs)),
        "timeline": _timeline(execution, runs, waits, names, request),
        "steps": steps.page_of(
            own.filter(compensation=False), names, shown, request.GET.get("steps")
        ),
        "compensations": compensations,
        "waits": [_wait(wait, names, shown, user) for wait in waits],
        "more_waits": len(waits) == SHOWN_WAITS,
        "events": _events(execution, shown, user),
        "parts": family.parts_of(execution, request.GET.get("parts")),
        "children": children,
        "more_children": more_children,
        "ancestors": family.ancestors_of(user, execution),
        "reruns": family.reruns_of(user, execution),
        "entries": entries(execution, shown, user),
        "values": _values(execution, shown),
    }


def raw(pages: Pages, request: HttpRequest, execution: Execution) -> HttpResponse:
    """Everything that it carries, uncut."""
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


def facts(execution: Execution, user: Any, shown: Shown) -> list[tuple[str, Any]]:
    """Name and value of what else is known; names whose value is empty are left out."""
    keys = CorrelationKey.objects.filter(execution=execution.pk).order_by("id")
    found: list[tuple[str, Any]] = [
        (_("Queue"), plain(execution.queue)),
        (_("Priority"), execution.priority or ""),
        (_("Subject"), subject(execution, user)),
        (_("Idempotency key"), plain(execution.idempotency_key or "")),
        (
            _("Correlation keys"),
            ", ".join(plain(k) for k in keys.values_list("key", flat=True)[:20]),
        ),
        (_("Progress"), shown.line(execution.progress) if execution.progress is not None else ""),
        (_("Reason of the cancellation"), shown.text(execution.cancel_reason)),
    ]
    return [(label, value) for label, value in found if value not in ("", None)]


def _took(execution: Execution) -> timedelta | None:
    """From its first start to its end."""
    if execution.finished_at is None or execution.started_at is None:
        return None
    return execution.finished_at - execution.started_at


def subject(execution: Execution, user: Any) -> Any:
    """What it is about, with a link to its page in the admin if this person may see that."""
    if not execution.subject_type:
        return ""
    text = f"{plain(execution.subject_type)}:{plain(execution.subject_id)}"
    try:
        model = apps.get_model(execution.subject_type)
        meta = model._meta
        address = reverse(
            f"admin:{meta.app_label}_{meta.model_name}_change", args=[execution.subject_id]
        )
    except (LookupError, ValueError, NoReverseMatch):
        return text
    if not user.has_perm(f"{meta.app_label}.view_{meta.model_name}"):
        return text
    return format_html('<a href="{}">{}</a>', address, text)


def standing(execution: Execution, waits: list[Wait]) -> dict[str, Any]:
    """Where it stands, in words, and the moment that matters most."""
    if execution.is_finished:
        return {}
    step = plain(execution.path.rpartition("/")[2])
    attempt = execution.attempt - execution.attempt_floor
    open_waits = [wait for wait in waits if wait.status == WaitStatus.OPEN]
    found: dict[str, Any] = {"step": step, "attempt": attempt, "moment": None}
    match Status(execution.status):
        case Status.PENDING if execution.wake_at:
            words, found["moment"] = _("is due"), execution.wake_at
        case Status.PENDING:
            words, found["moment"] = _("waits for a worker since"), execution.ready_at
        case Status.RUNNING | Status.COMPENSATING if execution.worker:
            words = _("runs")
            found["worker"] = Worker.objects.filter(pk=execution.worker).first()
        case Status.WAITING:
            words = _waits_for(open_waits)
            found["moment"] = execution.wake_at
            found["limit"] = any(wait.kind != WaitKind.TIMER for wait in open_waits)
        case Status.PAUSED:
            words = _("is paused")
        case Status.BLOCKED:
            words = _("is blocked")
        case _other:
            words, found["moment"] = _("waits for a worker"), execution.wake_at
    return {**found, "words": words}


def _waits_for(waits: list[Wait]) -> str:
    """In words, for what; a block that waits for its parts has no waits."""
    if not waits:
        return _("waits for its parts")
    wait, more = waits[0], len(waits) - 1
    if wait.kind == WaitKind.TIMER:
        return _("sleeps")
    text = _("waits for %(kind)s %(name)s") % {
        "kind": wait.get_kind_display().lower(),
        "name": plain(wait.name),
    }
    return _("%(text)s and %(n)d more") % {"text": text, "n": more} if more else text


def _error(execution: Execution, shown: Shown) -> dict[str, Any] | None:
    error = execution.error
    if not error:
        return None
    return {
        "type": plain(error.get("type") or ""),
        "message": shown.text(error.get("message") or ""),
        "step": plain(error.get("step") or ""),
        "attempt": error.get("attempt"),
        "traceback": shown.text(error.get("traceback") or ""),
        "details": shown.value(error["details"]) if error.get("details") else "",
    }


def _light(own: Any) -> list[StepRun]:
    """The last attempts without their values, the first of them first."""
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
    """The page of the last attempt of each step."""
    return {
        run.path: pages.link("execution_step", run.execution_id, run.pk)
        for run in runs
        if not run.compensation
    }


def _timeline(
    execution: Execution, runs: list[StepRun], waits: list[Wait], names: Any, request: HttpRequest
) -> Any:
    """The picture of the attempts, the waits, and what runs now."""
    bars = timeline.bars_of(runs, waits, names)
    current = timeline.current_bar(execution)
    return timeline.draw([*bars, current] if current else bars, now(request))


def _wait(wait: Wait, names: Any, shown: Shown, user: Any) -> dict[str, Any]:
    question = wait.question or {}
    took: timedelta | None = wait.resolved_at - wait.opened_at if wait.resolved_at else None
    return {
        "row": wait,
        "name": plain(wait.name),
        "branch": names.get(wait.execution_id, ""),
        "prompt": shown.text(question.get("prompt") or ""),
        "for": ", ".join(plain(name) for name in wait.assignees),
        "by": plain(wait.by_name),
        "comment": shown.text(wait.comment),
        "answer": "" if wait.answer is None else shown.line(wait.answer, 400),
        "took": took,
        "votes": wait.vote_count,
        "mine": wait.kind == WaitKind.INPUT
        and wait.status == WaitStatus.OPEN
        and access.may_answer(user, wait),
    }


def _events(execution: Execution, shown: Shown, user: Any) -> list[dict[str, Any]]:
    if not user.has_perm("durable.view_event"):
        return []
    rows = Event.objects.filter(execution=execution.root_id).order_by("-id")[:SHOWN_EVENTS]
    return [
        {
            "row": row,
            "name": plain(row.name),
            "payload": "" if row.payload is None else shown.value(row.payload, 4_000),
        }
        for row in rows
    ]


def entries(execution: Execution, shown: Shown, user: Any) -> list[dict[str, Any]]:
    """The audit trail, the newest first; nothing for who may not see it."""
    if not access.may(user, "view_audit", execution):
        return []
    rows = AuditEntry.objects.filter(execution_id=execution.pk).order_by("-id")[:SHOWN_ENTRIES]
    return [entry(row, shown) for row in rows]


def entry(row: AuditEntry, shown: Shown) -> dict[str, Any]:
    """One entry as it is shown."""
    return {
        "row": row,
        "actor": plain(row.actor_name) or _("the program"),
        "action": plain(row.action.replace("_", " ")),
        "target": plain(row.target),
        "origin": plain(row.origin),
        "before": "" if row.before is None else shown.line(row.before, 300),
        "after": "" if row.after is None else shown.line(row.after, 300),
    }


def _values(execution: Execution, shown: Shown, limit: int = 20_000) -> list[tuple[str, str]]:
    return [
        ("input", shown.value(execution.input, limit)),
        ("data", shown.value(execution.data, limit)),
    ]


_ROW = (
    "id", "workflow", "version", "kind", "status", "role", "root_id", "parent_id", "parent_path",
    "parent_visit", "index", "branch", "awaited", "released", "rerun_of_id", "queue", "home_queue",
    "rank", "ready_at", "wake_at", "resume_at", "fence", "worker", "path", "visit", "attempt",
    "attempt_floor", "recoveries", "journaled", "last_completed_at", "tags", "idempotency_key",
    "subject_type", "subject_id", "pause_requested", "cancel_requested_at", "cancel_reason",
    "cancel_compensate", "blocked_by", "created_at", "scheduled_at", "started_at", "finished_at",
    "deadline_at", "progress", "error",
)  # fmt: skip


def _columns(execution: Execution) -> dict[str, Any]:
    return {name: getattr(execution, name) for name in _ROW}
