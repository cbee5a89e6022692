"""The tables of the engine, with their querysets; public.

May import: the vocabulary.
"""

from durable.models.answer_link import AnswerLink
from durable.models.audit import AuditEntry
from durable.models.event import Event, Mailbox
from durable.models.execution import CorrelationKey, Execution
from durable.models.queue import Queue
from durable.models.role import PARTS, Role
from durable.models.schedule import CatchUp, Firing, Outcome, Overlap, Schedule
from durable.models.step_run import StepRun
from durable.models.wait import Input, Record, RecordKind, Wait
from durable.models.webhook import IgnoredWebhooks
from durable.models.worker import Worker
from durable.states import EventStatus, Status, StepStatus, WaitKind, WaitStatus

__all__ = [
    "PARTS",
    "AnswerLink",
    "AuditEntry",
    "CatchUp",
    "CorrelationKey",
    "Event",
    "EventStatus",
    "Execution",
    "Firing",
    "IgnoredWebhooks",
    "Input",
    "Mailbox",
    "Outcome",
    "Overlap",
    "Queue",
    "Record",
    "RecordKind",
    "Role",
    "Schedule",
    "Status",
    "StepRun",
    "StepStatus",
    "Wait",
    "WaitKind",
    "WaitStatus",
    "Worker",
]
