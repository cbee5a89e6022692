"""The state of one node in a run, from the position and the record of its execution."""

from __future__ import annotations

from django.utils.translation import gettext as _

from durable.drawing.overlay import NodeState, NodeStatus, Progress
from durable.showing import times
from durable.showing.run.facts import Lane, OpenWait, Run
from durable.states import Status, StepStatus

#: the state of the node at which an execution is, by the execution's status
AT_STEP: dict[Status, NodeStatus] = {
    Status.PENDING: "pending",
    Status.RUNNING: "running",
    Status.WAITING: "waiting",
    Status.PAUSED: "paused",
    Status.BLOCKED: "blocked",
    Status.COMPENSATING: "failed",
    Status.COMPLETED: "done",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
    Status.COMPENSATED: "failed",
    Status.COMPENSATION_FAILED: "failed",
}

#: a block is shown as running while a node inside of it is pending or waiting
AROUND: dict[NodeStatus, NodeStatus] = {"pending": "running", "waiting": "running"}

OF_RUN: dict[StepStatus, NodeStatus] = {
    StepStatus.COMPLETED: "done",
    StepStatus.FAILED: "failed",
    StepStatus.CANCELLED: "cancelled",
    StepStatus.WAITING: "waiting",
}


def standing(lane: Lane, run: Run | None = None, name: str = "") -> NodeState:
    """The state of the step (or choice) at which a lane is, or has ended."""
    status, row = AT_STEP[lane.status], lane.row
    why, error, attempts = lane.rollback, row.error, row.attempt
    if why is not None:
        status = "failed" if why.error is not None else "cancelled"
        error, attempts = why.error, why.attempt
    if status == "pending" and row.wake_at is not None:
        time = {"time": times.in_drawing(row.wake_at)}
        if not lane.begun:
            return NodeState(status, detail=_("starts %(time)s") % time, here=True)
        return NodeState("waiting", attempts, detail=_("retry %(time)s") % time, here=True)
    detail = ""
    if status == "waiting":
        detail = _waits_for(lane.waits.get(row.path, []), name)
    elif status in ("failed", "blocked") and error:
        detail = str(error["type"])
    if status == "failed" and run is not None and run.undone == StepStatus.COMPLETED:
        status = "compensated"
    return NodeState(status, attempts, detail=detail, here=not lane.over)


def around(
    lane: Lane, progress: Progress | None, *, opened: bool = True, detail: str = ""
) -> NodeState:
    """The state of a block inside of which a lane is, or has ended."""
    inside = standing(lane)
    status = inside.status
    if lane.begun and opened:
        status = AROUND.get(status, status)
    at_it = inside.here and progress is not None
    return NodeState(status, progress=progress, detail=detail, here=at_it)


def of_run(run: Run) -> NodeState:
    """The state of a step that a lane has left."""
    if run.undone == StepStatus.COMPLETED:
        return NodeState("compensated", run.attempts, max(run.rounds, 1))
    if run.undone == StepStatus.FAILED:
        return NodeState("failed", run.attempts, detail=_("could not be undone"))
    status = OF_RUN[run.status] if run.status is not None else "pending"
    return NodeState(status, run.attempts, max(run.rounds, 1), detail=run.error)


def unvisited(lost: bool) -> NodeState:
    """The state of a node that a lane has not reached; ``lost``: and never will."""
    return NodeState("skipped" if lost else "pending")


def broken_off(lane: Lane) -> NodeStatus:
    """The state of a block that a lane has left before its end."""
    why = lane.rollback
    cancelled = lane.status == Status.CANCELLED or (why is not None and why.error is None)
    return "cancelled" if cancelled else "failed"


def _waits_for(waits: list[OpenWait], name: str) -> str:
    """The waits in a few words: the name, or the time if the node has the same name."""
    if not waits:
        return ""
    wait = waits[0]
    if wait.kind.has_names:
        return ", ".join(wait.names)
    if not wait.kind.is_answered_by_time and wait.name != name:
        return wait.name
    return _("until %(time)s") % {"time": times.in_drawing(wait.until)} if wait.until else ""
