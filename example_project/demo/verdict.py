"""What the demo shows at its end: tables, and what had to be true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db.models import Sum

from durable.models import StepRun, Worker
from example_project.demo.screen import table
from example_project.demo.stories.story import Story
from example_project.shop.models import OutboxMail

Rows = list[tuple[str, ...]]


def promises(stories: Sequence[Story]) -> dict[str, bool]:
    """What had to be true in the end, and whether it is."""
    found = {
        f"each of the {_count(stories)} executions ended as it should": _all_ended(stories),
        "each mail was sent exactly once": _mails_are_right(stories),
    }
    for story in stories:
        found |= story.promises()
    return found


def show(promises: Mapping[str, bool]) -> int:
    """Print them; the exit code of the demo."""
    for promise, holds in promises.items():
        print(f"{'ok  ' if holds else 'FAIL'}  {promise}")
    kept = sum(promises.values())
    print(f"\n{kept} of {len(promises)} promises kept")
    return 0 if kept == len(promises) else 1


def executions(stories: Sequence[Story]) -> Rows:
    """One row for each execution."""
    rows: Rows = [("execution", "workflow", "status", "duration", "lost attempts", "result")]
    for story in stories:
        for name, ending in story.endings.items():
            row = story.row(name)
            took = (row.finished_at - row.created_at).total_seconds() if row.finished_at else 0.0
            lost = _lost_attempts(row.pk)
            rows.append(
                (
                    name,
                    row.workflow,
                    row.status,
                    f"{took:.1f} s",
                    str(lost or ""),
                    f"{ending.path}={ending.found(row)}",
                )
            )
    return rows


def steps(stories: Sequence[Story], *names: str) -> Rows:
    """One row for each attempt on record of these executions."""
    processes = {worker.pk: worker.name.rpartition(":")[2] for worker in Worker.objects.all()}
    rows: Rows = [("execution", "on record", "status", "attempt", "duration", "by process")]
    for story in stories:
        for name in story.executions.keys() & set(names):
            for number, run in enumerate(StepRun.objects.filter(execution=story.executions[name])):
                undo = "undo " if run.compensation else ""
                took = ((run.ended_at or run.started_at) - run.started_at).total_seconds()
                rows.append(
                    (
                        name if number == 0 else "",
                        f"{undo}{run.path}",
                        run.status,
                        str(run.attempt),
                        f"{took:.2f} s",
                        processes.get(run.worker, "") if run.worker else "",
                    )
                )
    return rows


def show_table(title: str, rows: Rows) -> None:
    """Print a table under its title."""
    print(f"\n{title}\n")
    table(rows)


def _count(stories: Sequence[Story]) -> int:
    return sum(len(story.executions) for story in stories)


def _lost_attempts(execution: UUID) -> int:
    """How many times a worker died in one of its steps, those of branches and items included."""
    runs = StepRun.objects.filter(execution__root_id=execution)
    return runs.aggregate(lost=Sum("recoveries"))["lost"] or 0


def _all_ended(stories: Sequence[Story]) -> bool:
    return all(
        ending.is_of(story.row(name)) for story in stories for name, ending in story.endings.items()
    )


def _mails_are_right(stories: Sequence[Story]) -> bool:
    wanted = Counter(tuple(mail) for story in stories for mail in story.mails())
    return wanted == Counter(OutboxMail.objects.values_list("to", "subject"))
