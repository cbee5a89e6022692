"""An execution's standing in words, its waits, and the events it has received."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from durable.dashboard.shared.shown import Shown
from durable.doors import access
from durable.models import Event, Execution, StepRun, Wait, WaitKind, WaitStatus, Worker
from durable.people.question import Question
from durable.showing.characters import visible
from durable.states import ROLLBACK, Status

SHOWN_EVENTS = 50
SHOWN_PROMPT = 300  # characters; the question's page has the rest


def standing(execution: Execution, waits: list[Wait]) -> dict[str, Any]:
    """The current step, attempt and state in words, with the time of the next move."""
    if execution.is_finished:
        return {}
    step = visible(execution.path.rpartition("/")[2])
    attempt = execution.attempt - execution.attempt_floor
    open_waits = [wait for wait in waits if wait.status == WaitStatus.OPEN]
    found: dict[str, Any] = {"step": step, "attempt": attempt, "moment": None}
    match Status(execution.status):
        case Status.RUNNING | Status.COMPENSATING if execution.worker:
            words = _("runs")
            found["worker"] = Worker.objects.filter(pk=execution.worker).first()
        case Status.WAITING:
            words = _waits_for(open_waits)
            found["moment"] = execution.wake_at
            found["limit"] = not all(WaitKind(wait.kind).is_answered_by_time for wait in open_waits)
        case Status.PAUSED:
            words = _("is paused")
        case Status.BLOCKED:
            words = _("is blocked")
        case _other if execution.wake_at:
            words, found["moment"] = _("is due"), execution.wake_at
        case _other if execution.ready_at:
            words, found["moment"] = _("waits for a worker, due"), execution.ready_at
        case _other:
            words = _("waits for its parts")
    if execution.path.startswith(ROLLBACK):
        run = undone(execution)
        found["step"] = _("compensation of %s") % visible(run.name) if run else _("rollback")
    return {**found, "words": words}


def undone(execution: Execution) -> StepRun | None:
    """The step's attempt whose compensation runs or is next; None before the first."""
    pk = execution.path.removeprefix(ROLLBACK)
    if not pk or pk == execution.path:
        return None
    return StepRun.objects.only("path").filter(pk=pk).first()


def _waits_for(waits: list[Wait]) -> str:
    """The waits in words; a block that waits for its parts has no waits."""
    if not waits:
        return _("waits for its parts")
    wait, more = waits[0], len(waits) - 1
    if WaitKind(wait.kind).is_answered_by_time:
        return _("sleeps")
    text = _("waits for %(kind)s %(name)s") % {
        "kind": wait.get_kind_display().lower(),
        "name": visible(wait.name),
    }
    return _("%(text)s and %(n)d more") % {"text": text, "n": more} if more else text


def asked(user: Any, waits: list[Wait]) -> set[Any]:
    """The open questions among these waits that this user may answer."""
    asked = [one.pk for one in waits if (one.kind, one.status) == (WaitKind.INPUT, WaitStatus.OPEN)]
    rows: Any = Wait.objects.filter(pk__in=asked)
    return {wait.pk for wait in access.asked_of(user, rows)} if asked else set()


def row(wait: Wait, names: Any, shown: Shown, mine: bool) -> dict[str, Any]:
    took: timedelta | None = wait.resolved_at - wait.opened_at if wait.resolved_at else None
    answer = shown.masking.answer(wait.name, wait.answer)
    return {
        "row": wait,
        "name": visible(wait.name),
        "branch": names.get(wait.execution_id, ""),
        "prompt": shown.text(Question.of(wait).prompt, SHOWN_PROMPT),
        "for": ", ".join(visible(name) for name in wait.assignees),
        "by": visible(wait.by_name),
        "comment": shown.text(wait.comment),
        "answer": "" if answer is None else shown.line(answer, 400),
        "took": took,
        "votes": wait.vote_count,
        "mine": mine,
    }


def events(execution: Execution, shown: Shown, user: Any) -> list[dict[str, Any]]:
    if not user.has_perm("durable.view_event"):
        return []
    rows = Event.objects.filter(execution=execution.root_id).order_by("-id")[:SHOWN_EVENTS]
    return [
        {
            "row": row,
            "name": visible(row.name),
            "payload": "" if row.payload is None else shown.value(row.payload, 4_000),
        }
        for row in rows
    ]
