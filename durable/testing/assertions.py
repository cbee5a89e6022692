"""What should have happened; and if it has not, where the execution stands and why."""

from __future__ import annotations

from durable.models import Execution, Wait
from durable.states import WaitKind


def assert_completed(execution: Execution) -> None:
    """The execution is completed; if not, the message says where it stands and why."""
    execution.refresh_from_db()
    if execution.status != "completed":
        raise AssertionError(f"expected a completed execution:\n{describe(execution)}")


def assert_waiting_for(
    execution: Execution, *, input: str | None = None, event: str | None = None
) -> None:
    """The execution (or a branch of it) has an open wait for this input, or this event."""
    if (input is None) == (event is None):
        raise TypeError("assert_waiting_for takes input= or event=")
    execution.refresh_from_db()
    waits = Wait.objects.open().filter(root_id=execution.root_id)
    if input is not None:
        found = waits.filter(kind=WaitKind.INPUT, name=input).exists()
    else:
        found = any(event in wait.names for wait in waits.exclude(kind=WaitKind.INPUT))
    if not found:
        wanted = f"input {input!r}" if input is not None else f"event {event!r}"
        raise AssertionError(f"expected a wait for {wanted}:\n{describe(execution)}")


def assert_step(
    execution: Execution, step: str, *, status: str = "completed", attempts: int | None = None
) -> None:
    """The last attempt of ``step`` (a name or a path) has this status, after so many attempts."""
    runs = [run for run in execution.steps.all() if step in (run.name, run.path)]
    if not runs:
        raise AssertionError(f"step {step!r} has not run:\n{describe(execution)}")
    if runs[-1].status != status:
        raise AssertionError(
            f"step {step!r} is {runs[-1].status}, not {status}:\n{describe(execution)}"
        )
    if attempts is not None and len(runs) != attempts:
        raise AssertionError(
            f"step {step!r} took {len(runs)} attempts, not {attempts}:\n{describe(execution)}"
        )


def describe(execution: Execution) -> str:
    """Status, error, steps and open waits of an execution, for a person who reads a failed test."""
    execution.refresh_from_db()
    lines = [f"{execution.workflow} {execution.pk}: {execution.status} at {execution.path or '-'}"]
    if execution.error:
        lines.append(f"  error: {execution.error['type']}: {execution.error['message']}")
        if execution.error.get("traceback"):
            lines += [f"    {line}" for line in execution.error["traceback"].splitlines()[-6:]]
    for step in execution.steps.all():
        failure = f" ({step.error['type']}: {step.error['message']})" if step.error else ""
        lines.append(f"  step {step.path} #{step.attempt}: {step.status}{failure}")
    for wait in Wait.objects.open().filter(root_id=execution.root_id):
        lines.append(
            f"  waits for {wait.kind} {wait.name!r} until {wait.deadline_at or 'answered'}"
        )
    return "\n".join(lines)
