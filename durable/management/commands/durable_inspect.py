"""``manage.py durable_inspect``: print the record of one execution: steps, waits, events, audit."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any

from durable.doors import access
from durable.doors.actions import whole
from durable.management.base import DurableCommand, Options
from durable.management.dossier import Wanted, dossier
from durable.management.output import lines_of, value_of
from durable.management.progress import line_of
from durable.showing import times
from durable.showing.characters import visible_line

Row = Mapping[str, Any]


class Command(DurableCommand):
    help = (
        "Show an execution: header, steps with attempts and errors, waits, events, children, "
        "compensations, audit trail. Values of keys that look secret are masked."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        """The execution, and how much of it to show."""
        parser.add_argument("id", help="an execution's id, or its beginning")
        parser.add_argument(
            "--data", action="store_true", help="inputs, outputs, payloads and answers, too"
        )
        parser.add_argument("--logs", action="store_true", help="captured logs and tracebacks, too")
        parser.add_argument("--show-secrets", action="store_true", help="mask nothing")

    def answer(self, options: Options) -> None:
        """Print the execution's dossier."""
        execution = self.execution(options["id"])
        root = whole(execution)
        self.require("view", root)
        if options["show_secrets"]:
            self.require("view_payload", root)
        wanted = Wanted(
            data=options["data"],
            logs=options["logs"],
            secrets=options["show_secrets"],
            audit=self.by is None or access.may(self.by, "view_audit", root),
            events=self.by is None or self.by.has_perm("durable.view_event"),
            visible=None if self.by is None else self.seen(),
        )
        found = dossier(execution, wanted)
        if self.as_json:
            self.show(found)
        else:
            self._header(found)
            self._steps("Steps", found["steps"])
            self._waits(found["waits"])
            self._events(found["events"])
            self._parts(found)
            self._steps("Compensations", found["compensations"])
            self._audit(found["audit"])

    def _title(self, title: str, rows: Any) -> bool:
        if rows:
            self.say()
            self.say(self.paint.head(title))
        return bool(rows)

    def _table(self, head: Iterable[str], rows: Iterable[Any]) -> None:
        for line in self.paint.table(list(head), rows):
            self.say(f"  {line}")

    def _header(self, found: Row) -> None:
        self.say(self.paint.head(f"{visible_line(found['workflow'])} v{found['version']}"))
        values = {
            "id": found["id"],
            "status": line_of(found),
            "queue": f"{found['queue']} (priority {found['priority']})",
            "worker": found["worker"],
            "blocked by": found["blocked_by"],
            "cancelled": found["cancel_reason"],
            "parent": found["parent"],
            "rerun of": found["rerun_of"],
            "subject": found["subject"],
            "tags": value_of(found["tags"]) if found["tags"] else None,
            "keys": ", ".join(found["keys"]),
            "idempotency key": found["idempotency_key"],
            **{
                name.removesuffix("_at"): times.in_cell(found[name]) if found[name] else None
                for name in (
                    "created_at",
                    "scheduled_at",
                    "started_at",
                    "wake_at",
                    "deadline_at",
                    "finished_at",
                )
            },
            "input": value_of(found["input"]) if "input" in found else None,
            "data": value_of(found["data"]) if "data" in found else None,
        }
        for name, value in values.items():
            if value not in (None, ""):
                shown = visible_line(value)
                painted = self.paint(shown, found["status"]) if name == "status" else shown
                self.say(f"  {name:<16}{painted}")
        self._traceback(found["error"], "  ")

    def _steps(self, title: str, steps: list[dict[str, Any]]) -> None:
        if not self._title(title, steps):
            return
        self._table(
            ("STARTED", "STEP", "VISIT", "ATTEMPT", "STATUS", "TOOK", "ERROR"),
            [
                (
                    times.in_cell(step["started_at"]),
                    step["path"],
                    step["visit"],
                    step["attempt"],
                    step["status"],
                    "" if step["seconds"] is None else times.span(step["seconds"]),
                    _error(step["error"]),
                )
                for step in steps
            ],
        )
        for step in steps:
            self._inside(step)

    def _inside(self, step: Row) -> None:
        """An attempt's input, output, logs and traceback, as far as they are wanted."""
        lines = [f"{name}: {value_of(step[name])}" for name in ("input", "output") if name in step]
        for record in step.get("logs", ()):
            text = f"{record['level']} {record['logger']}: {record['message']}"
            lines += lines_of(text)
        if lines or (step["error"] or {}).get("traceback"):
            self.say(f"  {visible_line(step['path'])} #{step['attempt']}")
        for line in lines:
            self.say(f"    {line}")
        self._traceback(step["error"], "    ")

    def _traceback(self, error: Row | None, margin: str) -> None:
        for line in lines_of((error or {}).get("traceback") or ""):
            self.say(margin + line)

    def _waits(self, waits: list[dict[str, Any]]) -> None:
        if not self._title("Waits", waits):
            return
        self._table(
            ("OPENED", "KIND", "NAME", "STATUS", "UNTIL", "RESOLVED", "BY", "COMMENT"),
            [
                (
                    times.in_cell(wait["opened_at"]),
                    wait["kind"],
                    wait["name"],
                    wait["status"],
                    times.in_cell(wait["deadline_at"]),
                    times.in_cell(wait["resolved_at"]),
                    wait["by"] or ", ".join(wait["assignees"]),
                    wait["comment"],
                )
                for wait in waits
            ],
        )
        for wait in waits:
            if wait["prompt"]:
                self.say(f"  {visible_line(wait['name'])} asks: {visible_line(wait['prompt'])}")
            if "answer" in wait and wait["status"] == "answered":
                self.say(f"  {visible_line(wait['name'])} got: {value_of(wait['answer'])}")

    def _events(self, events: list[dict[str, Any]] | None) -> None:
        if self._title("Events", events):
            self._table(
                ("SENT", "NAME", "STATUS", "KEY", "EVENT ID", "PAYLOAD"),
                [
                    (
                        times.in_cell(event["created_at"]),
                        event["name"],
                        event["status"],
                        event["key"],
                        event["event_id"],
                        value_of(event["payload"]) if "payload" in event else "",
                    )
                    for event in events or ()
                ],
            )

    def _parts(self, found: Row) -> None:
        if self._title("Branches and items", found["parts"]):
            self._table(
                ("BLOCK", "BRANCH", "STATUS", "COUNT"),
                [
                    (part["path"], part["branch"] or part["role"], part["status"], part["count"])
                    for part in found["parts"]
                ],
            )
        if self._title("Children", found["children"]):
            self._table(
                ("CREATED", "ID", "WORKFLOW", "STATUS", "STEP"),
                [
                    (
                        times.in_cell(child["created_at"]),
                        child["id"],
                        child["workflow"],
                        child["status"],
                        child["step"],
                    )
                    for child in found["children"]
                ],
            )

    def _audit(self, entries: list[dict[str, Any]] | None) -> None:
        if self._title("Audit", entries):
            self._table(
                ("AT", "ACTION", "BY", "FROM", "BEFORE", "AFTER"),
                [
                    (
                        times.in_cell(entry["at"]),
                        entry["action"],
                        entry["by"],
                        entry["origin"],
                        "" if entry["before"] is None else value_of(entry["before"]),
                        "" if entry["after"] is None else value_of(entry["after"]),
                    )
                    for entry in entries or ()
                ],
            )


def _error(error: Row | None) -> str:
    return "" if not error else f"{error.get('type')}: {error.get('message')}"
