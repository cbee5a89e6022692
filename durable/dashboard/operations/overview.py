"""The overview page: counts by status, the last 24 hours, queues, workers; all bounded reads."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import (
    Avg,
    Count,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    Max,
    OuterRef,
    Q,
)
from django.db.models.functions import TruncHour
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from durable.dashboard.operations import queues, sparkline
from durable.dashboard.shared.base import Pages, allowed, now
from durable.dashboard.shared.shown import Shown
from durable.doors import access
from durable.doors.stranded import stranded_at_a_glance
from durable.models import Schedule, StepRun, Wait, Worker
from durable.people.question import Question
from durable.showing.characters import visible
from durable.states import Status, StepStatus

COUNTED = 10_000  # rows counted of one status; beyond them the tile says "10,000+"
HOURS = 24
ATTEMPTS = 5_000  # the last attempts, by which the steps are ranked
RANKED = 5
SCHEDULES = 6
QUESTIONS = 8

#: the unfinished statuses, in the order of the tiles
LIVE = (
    Status.RUNNING,
    Status.PENDING,
    Status.WAITING,
    Status.PAUSED,
    Status.BLOCKED,
    Status.COMPENSATING,
)


def respond(pages: Pages, request: HttpRequest) -> HttpResponse:
    """The page; each part is shown only to users with its permission."""
    if not pages.has_view_permission(request):
        raise PermissionDenied
    user, present = request.user, now(request)
    hours, steps = by_hour(user, present), steps_of_late(user)
    asked = access.asked_of(user)
    questions = [
        {"row": wait, "name": visible(wait.name), "prompt": shown_prompt(wait)}
        for wait in asked[:QUESTIONS]
    ]
    context: dict[str, Any] = {
        "tiles": tiles(user, hours),
        "spark": sparkline.draw(hours),
        "hours": [hours[number].begin for number in (0, 6, 12, 18)],
        "done": sum(hour.done for hour in hours),
        "failed": sum(hour.failed for hour in hours),
        "slowest": ranked(steps, "average"),
        "failing": ranked(steps, "failures"),
        "attempts": ATTEMPTS,
        "stranded": [
            {"words": visible(one.words), "count": one.count, "ids": one.ids}
            for one in stranded_at_a_glance(access.visible(user))
        ],
        "questions": questions,
        "asked": len(asked),
        "queues": queues.rows(request) if access.may(user, "view_queues") else None,
        "workers": alive(user) if access.may(user, "view_workers") else None,
        "schedules": coming(user) if access.may(user, "view_schedules") else None,
    }
    return pages.page(request, "overview.html", _("Overview"), context)


def shown_prompt(wait: Wait) -> str:
    """The question's prompt on one line, masked."""
    return Shown(open=False).line(Question.of(wait).prompt, 100)


def tiles(user: Any, hours: list[sparkline.Hour]) -> list[dict[str, Any]]:
    """One tile a status: unfinished ones with their count now, final ones with the last day's."""
    rows = access.visible(user).order_by()
    failed, due = rows.filter(status=Status.FAILED), rows.filter(ready_at__isnull=False)
    notes = {
        Status.PENDING: _("%s due") % _told(due),
        Status.FAILED: _("%s in all") % _told(failed),
    }
    found = [
        {"status": str(status.value), "count": _told(rows.filter(status=status)), "when": _("now")}
        for status in LIVE
    ]
    for status in (Status.COMPLETED, Status.FAILED, Status.COMPENSATED, Status.CANCELLED):
        number = sum(hour.statuses.get(str(status.value), 0) for hour in hours)
        found.append({"status": str(status.value), "count": f"{number:,}", "when": _("in 24 h")})
    for tile in found:
        tile["note"] = notes.get(Status(tile["status"]), "")
    return found


def _told(rows: Any) -> str:
    """The number of rows, counted up to ``COUNTED``."""
    count = rows[: COUNTED + 1].count()
    return f"{COUNTED:,}+" if count > COUNTED else f"{count:,}"


def by_hour(user: Any, present: datetime) -> list[sparkline.Hour]:
    """The executions that ended in each of the last 24 hours, the current hour included."""
    current = timezone.localtime(present).replace(minute=0, second=0, microsecond=0)
    begins = [current - timedelta(hours=back) for back in reversed(range(HOURS))]
    rows = access.visible(user).order_by().filter(finished_at__gte=begins[0])
    counted = (
        rows.annotate(hour=TruncHour("finished_at"))
        .values_list("hour", "status")
        .annotate(number=Count("*"))  # COUNT(*), so that the index alone answers
    )
    found: dict[datetime, dict[str, int]] = {begin: {} for begin in begins}
    for hour, status, count in counted:
        if hour in found:
            found[hour][status] = count
    return [sparkline.Hour(begin, statuses) for begin, statuses in found.items()]


def steps_of_late(user: Any) -> list[dict[str, Any]]:
    """The steps of the last attempts: per step the number, the times and the failures.

    Attempts that waited (for a timer, event, child or person) do not count for the times.
    """
    oldest = StepRun.objects.order_by("-id").values_list("pk", flat=True)[ATTEMPTS - 1 : ATTEMPTS]
    rows = StepRun.objects.filter(compensation=False).order_by()
    for pk in oldest:  # ids follow the order of time
        rows = rows.filter(pk__gte=pk)
    if access.policies():
        rows = rows.filter(execution__root_id__in=access.visible(user).values("pk"))
    took = ExpressionWrapper(F("ended_at") - F("started_at"), output_field=DurationField())
    waited = Wait.objects.filter(
        execution=OuterRef("execution"), path=OuterRef("path"), visit=OuterRef("visit")
    )
    own = Q(waited=False)
    rows = rows.annotate(waited=Exists(waited.order_by()))
    found: Any = rows.values("execution__workflow", "path").annotate(
        attempts=Count("pk"),
        failures=Count("pk", filter=Q(status=StepStatus.FAILED)),
        average=Avg(took, filter=own),
        longest=Max(took, filter=own),
    )
    return list(found)


def ranked(rows: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """The rows with the highest ``by``; rows without this figure are left out."""
    known = [row for row in rows if row[by]]
    known.sort(key=lambda row: (row[by], row["attempts"]), reverse=True)
    return [
        {
            **row,
            "workflow": row["execution__workflow"],
            "step": visible(row["path"].rpartition("/")[2]),
            "share": round(100 * row["failures"] / row["attempts"]),
        }
        for row in known[:RANKED]
    ]


def alive(user: Any) -> dict[str, Any]:
    """The live workers, and how many executions they run."""
    found = list(allowed(user, "view_workers", Worker.objects.live().order_by("name")))
    return {"count": len(found), "running": sum(one.running for one in found), "rows": found[:8]}


def coming(user: Any) -> list[Schedule]:
    """The enabled schedules with the earliest next runs."""
    rows = Schedule.objects.filter(enabled=True, next_run_at__isnull=False)
    return list(allowed(user, "view_schedules", rows).order_by("next_run_at")[:SCHEDULES])
