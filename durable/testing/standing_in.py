"""Replace a step, or isolate workflow classes, for the length of a test's block."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from durable.authoring.parse import registry
from durable.authoring.workflow import Workflow
from durable.errors import DurableError


@contextmanager
def replace_step(workflow: type[Workflow], step: str, fake: Callable[..., Any]) -> Iterator[None]:
    """Let ``fake(self, data)`` replace a step's function; the step's options stay."""
    definition = workflow.definition
    resolved = definition.steps.get(step)
    if resolved is None:
        raise DurableError(
            f"{definition.name} has no step {step!r}, only {', '.join(definition.steps)}"
        )
    leaves = [leaf for leaf in definition.tree.leaves() if leaf.step.function is resolved.function]
    if inspect.iscoroutinefunction(fake) != resolved.is_async:
        raise DurableError(f"the step {step!r} and its stand-in must both be async, or neither")
    original = resolved.function
    changed = [resolved, *(leaf.step for leaf in leaves)]
    for each in changed:
        object.__setattr__(each, "function", fake)
    try:
        yield
    finally:
        for each in changed:
            object.__setattr__(each, "function", original)


@contextmanager
def isolate_workflows() -> Iterator[None]:
    """Forget workflows defined in the block when it ends: for classes made in tests."""
    with registry.isolate():
        yield
