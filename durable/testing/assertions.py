"""Assertions on executions, whose messages describe where the execution stands and why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from durable.authoring.workflow import Workflow
from durable.models import Execution, Role, StepRun, Wait
from durable.states import WaitKind
from durable.storage import lookup
from durable.testing.refreshing import refreshed

SHOWN = 20  # the most places that a message lists


def assert_completed(execution: Execution) -> None:
    """Assert that the execution is completed; the message says where it stands and why."""
    refreshed(execution)
    if execution.status != "completed":
        raise AssertionError(f"expected a completed execution:\n{describe(execution)}")


def assert_waiting_for(
    execution: Execution,
    *,
    input: str | None = None,
    event: str | None = None,
    timer: timedelta | datetime | Literal[True] | None = None,
    child: type[Workflow] | str | None = None,
) -> None:
    """Assert that the execution (or a branch or item of it) has an open wait of this kind.

    A ``timer`` is given by its length (a ``timedelta``) or its end (an aware ``datetime``);
    ``True`` means any. A ``child`` is given by its workflow or the workflow's name.
    """
    asked = {"input": input, "event": event, "timer": timer, "child": child}
    given = {kind: value for kind, value in asked.items() if value is not None}
    if len(given) != 1:
        raise TypeError("assert_waiting_for takes one of input=, event=, timer= and child=")
    ((kind, value),) = given.items()
    wanted = _name_of_child(value) if kind == "child" else value
    if kind == "timer":
        _check_timer(value)
    refreshed(execution)
    if not any(_is_for(wait, kind, wanted) for wait in _open_waits(execution)):
        words = f"{kind} {wanted!r}" if isinstance(wanted, str) else _timer_in_words(wanted)
        raise AssertionError(f"expected a wait for {words}:\n{describe(execution)}")


def _name_of_child(child: object) -> str:
    name = child if isinstance(child, str) else getattr(child, "definition", None)
    if name is None:
        raise TypeError(f"child= takes a workflow class or its name, not {child!r}")
    return name if isinstance(name, str) else str(name.name)


def _check_timer(timer: object) -> None:
    aware = isinstance(timer, datetime) and timer.tzinfo is not None
    if not (timer is True or aware or isinstance(timer, timedelta)):
        raise TypeError(f"timer= takes a timedelta, an aware datetime or True, not {timer!r}")


def _timer_in_words(timer: object) -> str:
    if timer is True:
        return "a timer"
    return f"a timer {'of' if isinstance(timer, timedelta) else 'until'} {timer}"


def _open_waits(execution: Execution) -> Iterable[Wait]:
    """The open waits of the whole execution to which ``execution`` belongs."""
    return Wait.objects.open().filter(root_id=execution.root_id).select_related("child")


def _is_for(wait: Wait, kind: str, wanted: Any) -> bool:
    if kind == "input":
        return wait.kind == WaitKind.INPUT and wait.name == wanted
    if kind == "event":
        return wait.kind != WaitKind.INPUT and wanted in wait.names
    if kind == "child":
        return wait.child is not None and wait.child.workflow == wanted
    if wait.kind != WaitKind.TIMER or wait.deadline_at is None:
        return False
    return wanted is True or wanted in (wait.deadline_at, wait.deadline_at - wait.opened_at)


def assert_step(
    execution: Execution,
    step: str,
    *,
    status: str = "completed",
    attempts: int | None = None,
    item: int | None = None,
) -> None:
    """Assert that the last attempt of ``step`` (a name or a path) has this status.

    ``attempts`` is the expected number of attempts. The step is looked for in branches and items,
    too. If it ran in several places the assertion fails and lists them: give the path of one, or
    the number of its ``item``.
    """
    refreshed(execution)
    runs = [each for each in _runs(execution) if step in (each.run.name, each.run.path)]
    runs = [each for each in runs if each.run.path == step] or runs
    if item is not None:
        runs = [each for each in runs if each.item == item]
    shown = f"step {step!r}" if item is None else f"step {step!r} of item {item}"
    if not runs:
        raise AssertionError(f"{shown} has not run:\n{describe(execution)}")
    places = dict.fromkeys((each.run.execution_id, each.run.path, each.item) for each in runs)
    if len(places) > 1:
        some = [
            repr(path) + ("" if number is None else f", item={number}")
            for _, path, number in list(places)[:SHOWN]
        ]
        more = "" if len(places) <= SHOWN else "; …"
        raise AssertionError(
            f"{shown} has run in {len(places)} places, say which (or pass the branch or item "
            f"itself): {'; '.join(some)}{more}"
        )
    last = runs[-1].run
    if last.status != status:
        raise AssertionError(f"{shown} is {last.status}, not {status}:\n{describe(execution)}")
    if attempts is not None and len(runs) != attempts:
        raise AssertionError(
            f"{shown} took {len(runs)} attempts, not {attempts}:\n{describe(execution)}"
        )


class Ran(NamedTuple):
    """An attempt, with the number of its item, if any."""

    run: StepRun
    item: int | None


def _runs(execution: Execution) -> list[Ran]:
    """The attempts of the steps of an execution, its branches and its items, in order."""
    ids = [row[0] for row in lookup.whole_of(execution).values_list("pk")]
    parts = {one.pk: one for one in Execution.objects.filter(pk__in=ids)}

    def item_of(part: Execution | None) -> int | None:
        while part is not None and part.role != Role.ITEM:
            part = parts.get(part.parent_id) if part.parent_id else None
        return None if part is None else part.index

    attempts = StepRun.objects.filter(execution__in=ids, compensation=False)
    return [Ran(run, item_of(parts[run.execution_id])) for run in attempts]


def describe(execution: Execution) -> str:
    """Status, error, steps and open waits of an execution, for the message of a failed test."""
    refreshed(execution)
    lines = [f"{execution.workflow} {execution.pk}: {execution.status} at {execution.path or '-'}"]
    if execution.error:
        lines.append(f"  error: {execution.error['type']}: {execution.error['message']}")
        if execution.error.get("traceback"):
            lines += [f"    {line}" for line in execution.error["traceback"].splitlines()[-6:]]
    for step, item in _runs(execution):
        failure = f" ({step.error['type']}: {step.error['message']})" if step.error else ""
        where = step.path if item is None else f"{step.path} (item {item})"
        lines.append(f"  step {where} #{step.attempt}: {step.status}{failure}")
    for wait in _open_waits(execution):
        name = wait.name if wait.child is None else wait.child.workflow
        until = "answered" if wait.deadline_at is None else str(wait.deadline_at)
        if wait.kind == WaitKind.TIMER and wait.deadline_at is not None:
            until += f" ({wait.deadline_at - wait.opened_at})"
        lines.append(f"  waits for {wait.kind} {name!r} until {until}")
    return "\n".join(lines)
