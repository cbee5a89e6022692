"""What users write: workflow classes, steps and flows. No ORM; importable before apps are ready.

May import: the vocabulary.
"""

from durable.authoring.context import Data, current
from durable.authoring.cron import Cron, OnEvent
from durable.authoring.decision import Decision
from durable.authoring.flow import branch, catch, chain, foreach, parallel, repeat, when
from durable.authoring.options import WorkflowMeta
from durable.authoring.retry import Retry
from durable.authoring.standing import call_workflow, sleep, wait_for_approval, wait_for_event
from durable.authoring.steps import step
from durable.authoring.workflow import Workflow

__all__ = [
    "Cron",
    "Data",
    "Decision",
    "OnEvent",
    "Retry",
    "Workflow",
    "WorkflowMeta",
    "branch",
    "call_workflow",
    "catch",
    "chain",
    "current",
    "foreach",
    "parallel",
    "repeat",
    "sleep",
    "step",
    "wait_for_approval",
    "wait_for_event",
    "when",
]
