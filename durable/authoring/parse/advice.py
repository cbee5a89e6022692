"""Warnings of ``manage.py check`` about valid workflows that may be mistaken."""

from __future__ import annotations

from typing import Any, NamedTuple

from durable.authoring.nodes.tree import Branch
from durable.authoring.workflow import Workflow

NO_DEFAULT = "durable.W101"
UNUSED_STEP = "durable.W102"


class Advice(NamedTuple):
    """One warning: its id in Django's check framework, and its text."""

    id: str
    message: str


def workflow_warnings(cls: type[Workflow]) -> list[Advice]:
    """Warn about branches without a default, and about steps that the flow never uses."""
    definition = cls.definition
    name = cls.__qualname__
    found = [
        Advice(
            NO_DEFAULT,
            f"{name}.flow: the branch {node.path!r} has no default: data that fits no case "
            "skips it. Add default=… if that isn't meant.",
        )
        for node in definition.tree.nodes.values()
        if isinstance(node, Branch) and node.default is None
    ]
    used: set[Any] = {leaf.step.function for leaf in definition.tree.leaves()}
    found += [
        Advice(UNUSED_STEP, f"{name}.{step.attribute}: the flow never uses this step.")
        for step in definition.steps.values()
        if step.function not in used
    ]
    return found
