"""The authoring API: workflow classes, steps, flows; without ORM, importable before apps load.

May import: the vocabulary.
"""

from durable.authoring.calendar.cron import Cron, OnEvent
from durable.authoring.nodes.flow import branch, catch, chain, foreach, parallel, repeat, when
from durable.authoring.nodes.retry import Retry
from durable.authoring.nodes.standing import call_workflow, sleep, wait_for_approval, wait_for_event
from durable.authoring.nodes.steps import step
from durable.authoring.parse.options import WorkflowMeta
from durable.authoring.self.context import Data, current
from durable.authoring.self.decision import Decision
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
