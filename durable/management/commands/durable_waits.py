"""``manage.py durable_waits``: list open waits: timers, events, children, questions."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Q

from durable import clock
from durable.conf import database
from durable.doors import access
from durable.management.arguments import positive
from durable.management.base import DurableCommand, Options
from durable.models import Wait
from durable.people.form import missing
from durable.people.question import Question
from durable.showing import times
from durable.showing.characters import visible_line
from durable.showing.masking import mask_text
from durable.states import WaitKind


class Command(DurableCommand):
    help = "List open waits: for timers, events, children and people, the oldest first."

    def arguments(self, parser: ArgumentParser) -> None:
        """The filters and the limit."""
        whose = parser.add_mutually_exclusive_group()
        whose.add_argument("--mine", action="store_true", help="questions that --by may answer")
        whose.add_argument(
            "--for", dest="whom", metavar="USERNAME", help="questions that this user may answer"
        )
        parser.add_argument(
            "--overdue", action="store_true", help="only waits past their due time or deadline"
        )
        parser.add_argument("--kind", choices=WaitKind.values, help="only waits of this kind")
        parser.add_argument("--execution", metavar="ID", help="only waits of one execution")
        parser.add_argument(
            "--limit", type=positive, default=50, help="the most waits to list (default 50)"
        )

    def answer(self, options: Options) -> None:
        """List the open waits."""
        if options["mine"] and self.by is None:
            raise CommandError("--mine takes --by USERNAME: whose questions are meant?")
        present = clock.read(database())
        found = self._chosen(options, present)
        more = len(found) > options["limit"]
        found = found[: options["limit"]]
        if self.as_json:
            self.show({"waits": [_shown(wait) for wait in found], "more": more})
            return
        self.show_table(
            ("EXECUTION", "WORKFLOW", "KIND", "NAME", "FOR", "OPEN FOR", "DUE", "PROMPT"),
            [
                (
                    wait.root_id,
                    wait.execution.workflow,
                    wait.kind,
                    wait.name,
                    ", ".join(wait.assignees),
                    times.age(wait.opened_at, present),
                    _due(wait, present),
                    mask_text(Question.of(wait).prompt),
                )
                for wait in found
            ],
            "nothing is waited for",
        )
        for why in dict.fromkeys(filter(None, map(missing, found))):
            self.tell(visible_line(why))
        if more:
            self.tell(f"and more: --limit shows more than {options['limit']}")

    def _chosen(self, options: Options, present: Any) -> list[Wait]:
        rows = Wait.objects.open().select_related("execution").visible()
        if options["overdue"]:
            rows = rows.filter(Q(due_at__lte=present) | Q(deadline_at__lte=present))
        if options["kind"]:
            rows = rows.filter(kind=options["kind"])
        if options["execution"]:
            rows = rows.filter(root_id=self.execution(options["execution"]).root_id)
        if self.by is not None and not options["mine"]:
            rows = rows.filter(root_id__in=self.seen().values("pk"))
        whom = self.by if options["mine"] else self._user(options["whom"], "--for")
        if whom is not None:
            return access.asked_of(whom, rows)
        return list(rows[: options["limit"] + 1])


def _due(wait: Wait, present: Any) -> str:
    due = wait.due_at or wait.deadline_at
    if due is None:
        return ""
    return f"{times.age(due, present)} late" if due <= present else times.age(due, present)


def _shown(wait: Wait) -> dict[str, Any]:
    question = Question.of(wait)
    return {
        "execution": wait.root_id,
        "branch": wait.execution_id,
        "workflow": wait.execution.workflow,
        "kind": wait.kind,
        "name": wait.name,
        "names": wait.names,
        "step": wait.path,
        "assignees": wait.assignees,
        "prompt": mask_text(question.prompt),
        "type": question.type or None,
        "form_missing": missing(wait),
        "opened_at": wait.opened_at,
        "due_at": wait.due_at,
        "deadline_at": wait.deadline_at,
    }
