"""``manage.py durable_list``: list executions, the newest first."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from durable import clock
from durable.conf import database
from durable.engine.operators.listing import of_workflow
from durable.management.arguments import before_now, moment_or_span, positive, subject, tag, tags
from durable.management.base import DurableCommand, Options
from durable.models import Execution
from durable.showing import times
from durable.showing.masking import mask
from durable.states import Status


class Command(DurableCommand):
    help = "List executions, newest first: roots only, unless --children asks for more."

    def arguments(self, parser: ArgumentParser) -> None:
        """The filters and the limit."""
        parser.add_argument("--workflow", help="only executions of this workflow")
        parser.add_argument(
            "--status",
            action="append",
            choices=Status.values,
            default=[],
            help="only executions in this status (may be given several times)",
        )
        parser.add_argument("--queue", help="only executions in this queue")
        parser.add_argument(
            "--tag",
            action="append",
            type=tag,
            default=[],
            metavar="NAME=VALUE",
            help="only executions with this tag (may be given several times)",
        )
        parser.add_argument(
            "--subject", metavar="APP.MODEL:PK", help="only executions about this row"
        )
        parser.add_argument(
            "--since",
            type=moment_or_span,
            metavar="TIME",
            help="created at this time or later: 2030-05-06T12:30, or 12h (the last 12 hours)",
        )
        parser.add_argument(
            "--until", type=moment_or_span, metavar="TIME", help="created before this time"
        )
        parser.add_argument(
            "--children", action="store_true", help="list children, branches and items, too"
        )
        parser.add_argument(
            "--limit", type=positive, default=50, help="the most executions to list (default 50)"
        )
        parser.add_argument(
            "--all", action="store_true", help="list all executions, whatever --limit"
        )

    def answer(self, options: Options) -> None:
        """List the executions."""
        self.require("view")
        rows = self._chosen(options)
        limit = options["limit"]
        found = list(rows if options["all"] else rows[: limit + 1])
        more = not options["all"] and len(found) > limit
        found = found if options["all"] else found[:limit]
        if self.as_json:
            self.show({"executions": [_shown(execution) for execution in found], "more": more})
            return
        present = clock.read(database())
        self.show_table(
            ("ID", "WORKFLOW", "STATUS", "STEP", "QUEUE", "CREATED", "TOOK"),
            [
                (
                    execution.pk,
                    f"{execution.workflow} v{execution.version}",
                    execution.status,
                    execution.path,
                    execution.queue,
                    times.in_cell(execution.created_at),
                    _took(execution, present),
                )
                for execution in found
            ],
            "no executions",
        )
        if more:
            self.tell(f"and more: --limit shows more than {limit}, --all shows all")

    def _chosen(self, options: Options) -> Any:
        rows = self.seen()
        if not options["children"]:
            rows = rows.filter(parent__isnull=True)
        elif self.by is None:
            rows = Execution.objects.there()
        else:
            rows = Execution.objects.filter(root_id__in=rows.values("pk"))
        if options["workflow"]:
            rows = of_workflow(rows, options["workflow"])
        if options["status"]:
            rows = rows.filter(status__in=options["status"])
        if options["queue"]:
            rows = rows.filter(queue=options["queue"])
        if options["tag"]:
            rows = rows.with_tags(self._known(tags(options["tag"])))
        if (about := subject(options["subject"], self.by)) is not None:
            rows = rows.filter(subject_type=about._meta.label_lower, subject_id=str(about.pk))
        since, until = before_now(options["since"]), before_now(options["until"])
        if since is not None and until is not None and since >= until:
            raise CommandError("--since must be earlier than --until")
        if since is not None:
            rows = rows.filter(created_at__gte=since)
        if until is not None:
            rows = rows.filter(created_at__lt=until)
        return rows.order_by("-created_at", "-id")

    def _known(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """The wanted tags; requires ``view_payload`` if a hit would tell a masked value."""
        if mask(wanted) != wanted:
            self.require("view_payload")
        return wanted


def _took(execution: Execution, present: Any) -> str:
    if execution.started_at is None:
        return ""
    if execution.finished_at is None:
        return f"{times.age(execution.started_at, present)} so far"
    return times.span((execution.finished_at - execution.started_at).total_seconds())


def _shown(execution: Execution) -> dict[str, Any]:
    return {
        "id": execution.pk,
        "workflow": execution.workflow,
        "version": execution.version,
        "status": execution.status,
        "role": execution.role,
        "parent": execution.started_by,
        "step": execution.path,
        "queue": execution.queue,
        "priority": execution.priority,
        "tags": mask(execution.tags),
        "created_at": execution.created_at,
        "started_at": execution.started_at,
        "finished_at": execution.finished_at,
    }
