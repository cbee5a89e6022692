"""The names that no step or compensation may have: the attributes of ``self`` and the class."""

from __future__ import annotations

RESERVED: tuple[str, ...] = (
    "flow", "Meta", "forms", "definition", "stub", "bound",
    "id", "branch_id", "execution", "subject", "input", "attempt", "idempotency_key",
    "deadline", "now", "error", "log", "cancel_requested",
    "sleep", "sleep_until", "schedule_at",
    "wait_for_event", "wait_for_any", "wait_for_all",
    "wait_for_input", "wait_for_approval", "wait_for_choice", "wait_for_text", "wait_for_form",
    "call_workflow", "start_workflow", "run", "heartbeat", "set_tags",
    "asleep", "asleep_until", "aschedule_at",
    "await_for_event", "await_for_any", "await_for_all",
    "await_for_input", "await_for_approval", "await_for_choice", "await_for_text",
    "await_for_form",
    "acall_workflow", "astart_workflow", "arun", "aheartbeat", "aset_tags",
)  # fmt: skip
"""Frozen: a name is added only with a major version, so that no upgrade breaks a workflow."""
