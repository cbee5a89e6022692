"""The dossier of one execution: all its records as plain values, masked for one reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from durable.models import AuditEntry, CorrelationKey, Event, Execution, Role, StepRun, Wait, Worker
from durable.people.question import Question
from durable.showing import times
from durable.showing.masking import Masking
from durable.storage import lookup

#: the most rows of each kind; the newest are shown
AT_MOST = 500


@dataclass(frozen=True)
class Wanted:
    """The parts of a dossier that the reader wants and may see."""

    data: bool = False  # inputs, outputs, payloads, answers
    logs: bool = False  # captured log records and tracebacks
    secrets: bool = False  # unmasked
    audit: bool = True
    events: bool = True
    visible: Any = None  # the executions that the reader may see; None: all

    @property
    def masking(self) -> Masking:
        """The masking for this reader."""
        return Masking(off=self.secrets)

    def error(self, error: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """An error, masked; the traceback only with the logs."""
        if error is None:
            return None
        shown: dict[str, Any] = dict(self.masking.value(error))
        shown["details"] = shown.get("details") or {}
        traceback = str(shown.pop("traceback", "") or "")
        return {**shown, "traceback": traceback} if self.logs else shown


def summary(execution: Execution, wanted: Wanted | None = None) -> dict[str, Any]:
    """The present state of one execution."""
    wanted = wanted or Wanted()
    waits = Wait.objects.open().filter(root_id=execution.root_id).visible()
    return {
        "id": execution.pk,
        "workflow": execution.workflow,
        "version": execution.version,
        "status": execution.status,
        "step": execution.path,
        "attempt": execution.attempt - execution.attempt_floor,
        "queue": execution.queue,
        "priority": execution.priority,
        "progress": wanted.masking.value(execution.progress),
        "block_progress": execution.block_progress,
        "waits_for": [
            {"kind": wait.kind, "name": wait.name, "until": wait.deadline_at}
            for wait in waits[:AT_MOST]
        ],
        "error": wanted.error(execution.error),
        "created_at": execution.created_at,
        "scheduled_at": execution.scheduled_at,
        "started_at": execution.started_at,
        "finished_at": execution.finished_at,
        "deadline_at": execution.deadline_at,
    }


def dossier(execution: Execution, wanted: Wanted) -> dict[str, Any]:
    """The whole dossier: the header, then lists of rows, each in order of time.

    For the id of a root or child it includes the branches and items.
    """
    whole = execution.pk == execution.root_id
    same = {"root_id": execution.pk} if whole else {"pk": execution.pk}
    ids = Execution.objects.filter(**same).values("pk")
    runs = StepRun.objects.filter(execution__in=ids, compensation=False)
    return {
        **_header(execution, wanted),
        "steps": [_run(run, wanted) for run in _newest(runs, "started_at")],
        "waits": [
            _wait(wait, wanted)
            for wait in _newest(Wait.objects.filter(execution__in=ids), "opened_at")
        ],
        "events": [
            _event(event, wanted)
            for event in _newest(Event.objects.filter(execution=execution.pk), "created_at")
        ]
        if wanted.events
        else None,
        "parts": _parts(execution),
        "children": _children(ids, wanted),
        "compensations": [
            _run(run, wanted) for run in _newest(execution.compensations, "started_at")
        ],
        "audit": _audit(execution, wanted) if wanted.audit else None,
    }


def _newest(rows: Any, column: str) -> list[Any]:
    """The newest rows, in order of time."""
    return list(rows.order_by(f"-{column}", "-id")[:AT_MOST])[::-1]


def _header(execution: Execution, wanted: Wanted) -> dict[str, Any]:
    keys = CorrelationKey.objects.filter(execution=execution).order_by("id")
    worker = Worker.objects.filter(pk=execution.worker).first() if execution.worker else None
    header = {
        **summary(execution, wanted),
        "role": execution.role,
        "parent": execution.started_by,
        "rerun_of": execution.rerun_of_id,
        "subject": f"{execution.subject_type}:{execution.subject_id}"
        if execution.subject_type
        else None,
        "tags": wanted.masking.value(execution.tags),
        "keys": list(keys.values_list("key", flat=True)),
        "idempotency_key": execution.idempotency_key,
        "worker": worker.name if worker is not None else execution.worker,
        "blocked_by": execution.blocked_by,
        "cancel_requested_at": execution.cancel_requested_at,
        "cancel_reason": wanted.masking.text(execution.cancel_reason),
        "wake_at": execution.wake_at,
    }
    if wanted.data:
        header |= {
            "input": wanted.masking.value(execution.input),
            "data": wanted.masking.value(execution.data),
        }
    return header


def _run(run: StepRun, wanted: Wanted) -> dict[str, Any]:
    ended = run.ended_at
    shown: dict[str, Any] = {
        "path": run.path,
        "visit": run.visit,
        "attempt": run.attempt,
        "status": run.status,
        "started_at": run.started_at,
        "ended_at": ended,
        "seconds": times.in_seconds(None if ended is None else ended - run.started_at),
        "recoveries": run.recoveries,
        "error": wanted.error(run.error),
        "execution": run.execution_id,
    }
    if wanted.data:
        shown |= {
            "input": wanted.masking.value(run.input),
            "output": wanted.masking.value(run.output),
        }
    if wanted.logs:
        shown["logs"] = wanted.masking.logs(run.log_records)
    return shown


def _wait(wait: Wait, wanted: Wanted) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "kind": wait.kind,
        "name": wait.name,
        "status": wait.status,
        "opened_at": wait.opened_at,
        "deadline_at": wait.deadline_at,
        "due_at": wait.due_at,
        "resolved_at": wait.resolved_at,
        "prompt": wanted.masking.text(Question.of(wait).prompt),
        "assignees": wait.assignees,
        "by": wait.by_name,
        "comment": wanted.masking.text(wait.comment),
        "votes": wait.vote_count,
        "execution": wait.execution_id,
    }
    if wanted.data:
        shown["answer"] = wanted.masking.answer(wait.name, wait.answer)
    return shown


def _event(event: Event, wanted: Wanted) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": event.name,
        "status": event.status,
        "key": event.key,
        "event_id": event.event_id,
        "created_at": event.created_at,
    }
    if wanted.data:
        shown["payload"] = wanted.masking.value(event.payload)
    return shown


def _parts(execution: Execution) -> list[dict[str, Any]]:
    """Branches and items, counted: there may be many."""
    rows = lookup.parts_of(execution).order_by().values("parent_path", "role", "branch", "status")
    return [
        {
            "path": row["parent_path"],
            "role": row["role"],
            "branch": row["branch"],
            "status": row["status"],
            "count": row["count"],
        }
        for row in rows.annotate(count=Count("pk")).order_by("parent_path", "branch", "status")
    ]


def _children(ids: Any, wanted: Wanted) -> list[dict[str, Any]]:
    rows = Execution.objects.filter(parent__in=ids, role=Role.CHILD)
    if wanted.visible is not None:
        rows = rows.filter(pk__in=wanted.visible.order_by().values("pk"))
    return [
        {
            "id": child.pk,
            "workflow": child.workflow,
            "status": child.status,
            "step": child.path,
            "created_at": child.created_at,
        }
        for child in _newest(rows, "created_at")
    ]


def _audit(execution: Execution, wanted: Wanted) -> list[dict[str, Any]]:
    entries = AuditEntry.objects.filter(execution_id=execution.pk)
    return [
        {
            "at": entry.at,
            "action": entry.action,
            "by": entry.actor_name,
            "origin": entry.origin,
            "target": entry.target,
            "before": wanted.masking.change(entry.action, entry.target, entry.before),
            "after": wanted.masking.change(entry.action, entry.target, entry.after),
        }
        for entry in _newest(entries, "at")
    ]
