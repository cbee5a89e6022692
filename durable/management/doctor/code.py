"""Check that this process has the code the rows need: workflows, versions, steps, forms."""

from __future__ import annotations

from collections.abc import Iterator

from durable.doors import access
from durable.doors.stranded import VERSION, WORKFLOW, stranded, stranded_schedules
from durable.management.doctor.findings import ERROR, SAMPLES, WARNING, Finding, counted
from durable.models import Execution, Wait, Worker
from durable.people.form import missing
from durable.states import Status

QUESTIONS = 1_000  # the oldest open questions that are checked


def gone() -> Iterator[Finding]:
    """Check that this code can continue unfinished executions, and start schedules.

    Sleeping and waiting executions are reported before they are due. Blocked ones are left out:
    ``work.blocked`` reports them with their errors.
    """
    served = set(Worker.objects.kinds())
    for group in stranded(Execution.objects.exclude(status=Status.BLOCKED)):
        whole = group.missing in (WORKFLOW, VERSION)
        elsewhere = whole and f"{group.workflow}@{group.version}" in served
        yield Finding(
            "stranded",
            WARNING if elsewhere else ERROR,
            f"{counted(group.count, 'unfinished execution')} this code can't go on with: "
            f"{group.words}{'; live workers have it still' if elsewhere else ''}",
            "keep the old class beside the new one, under its version, until they have ended "
            "(durable_check_versions stops such a deploy)",
            count=group.count,
            samples=[str(one) for one in group.ids],
        )
    for schedule in stranded_schedules():
        yield Finding(
            "schedule-without-workflow",
            ERROR,
            f"the schedule {schedule.name!r} is for {schedule.workflow!r}, which this code lacks",
            f"bring the workflow back, or durable_schedules disable {schedule.name}",
            count=1,
            samples=[schedule.name],
        )


def unanswerable() -> Iterator[Finding]:
    """Check that this code has the forms of the oldest open questions."""
    asked = Wait.objects.questions().open().select_related("execution")
    found: dict[str, list[str]] = {}
    asked = asked.defer(*(f"execution__{column}" for column in access.LARGE))
    for wait in asked.order_by("opened_at", "id")[:QUESTIONS]:
        if why := missing(wait):
            found.setdefault(why, []).append(str(wait.root_id))
    for why, roots in found.items():
        yield Finding(
            "form-missing",
            ERROR,
            why,
            "durable_waits --kind input lists them",
            count=len(roots),
            samples=roots[:SAMPLES],
        )
