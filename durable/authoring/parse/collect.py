"""Collect the steps and compensations of a class, inherited ones included, overrides applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from durable.authoring.nodes.retry import Retry
from durable.authoring.nodes.steps import Compensation, Step
from durable.authoring.parse.reserved import RESERVED
from durable.authoring.parse.wording import refuse, short

AnyStep = Step[..., Any]
AnyCompensation = Compensation[..., Any]


def collect_steps(cls: type[Any], *, retry: Retry | None, atomic: bool) -> dict[str, AnyStep]:
    """The resolved steps by attribute: inherited first, overrides in place, new ones after."""
    steps: dict[str, AnyStep] = {}
    undo: dict[str, AnyCompensation] = {}
    for klass in reversed(cls.__mro__):
        for attribute, value in vars(klass).items():
            where = f"{short(klass.__qualname__)}.{attribute}"
            if attribute == "flow":
                if isinstance(value, Step) and owner_attribute(value) is None:
                    _check_name(value.name, where)
                continue
            if isinstance(value, Step):
                _check_step(value, attribute, where, vars(klass))
                steps[attribute] = value.over(steps.get(attribute))
                if value.compensation is not None:
                    undo[attribute] = value.compensation.over(undo.get(attribute))
            elif isinstance(value, Compensation):
                _check_name(attribute, where)
                target = owner_attribute(value.step)
                if target is None or target not in steps:
                    refuse(
                        where,
                        f"compensates {value.step.name!r}, which isn't a step of this class.",
                    )
                if value.step.compensation is not value:
                    undo[target] = value.over(undo.get(target))
            elif attribute in steps:
                refuse(where, "overrides a step with something else; decorate it with @step.")
            else:
                _override_compensation(undo, attribute, value, where)
    resolved = {key: s.resolved(retry, atomic, undo.get(key)) for key, s in steps.items()}
    _check_unique(cls, resolved)
    return resolved


def owner_attribute(step: AnyStep) -> str | None:
    """The name in the class body of this step, or of the step that it copies."""
    return step.attribute or step.origin.attribute


def _check_name(name: str, where: str) -> None:
    if name in RESERVED:
        refuse(where, f"{name!r} is taken: self.{name} is part of every workflow. Rename it.")


def _check_step(step: AnyStep, attribute: str, where: str, namespace: Mapping[str, Any]) -> None:
    _check_name(attribute, where)
    _check_name(step.name, where)
    if step.kind != "step":
        refuse(where, f"is a standing node ({step.name}); it belongs into flow.")
    if step.attribute != attribute:
        refuse(
            where,
            f"is the step {step.attribute!r} again; "
            f"use {step.attribute}.named({attribute!r}) in flow instead.",
        )
    undo = step.compensation
    kept = namespace.get(undo.name) if undo is not None else None
    if (
        undo is not None
        and kept is not None
        and getattr(kept, "function", None) is not undo.function
    ):
        refuse(
            where,
            f"its compensation {undo.name!r} is overwritten by something of the same name "
            "further down; rename one of them.",
        )


def _override_compensation(
    undo: dict[str, AnyCompensation], attribute: str, value: object, where: str
) -> None:
    for key, compensation in undo.items():
        if compensation.name != attribute:
            continue
        if not callable(value):
            refuse(where, f"overrides the compensation of {key!r} with {value!r}.")
        function: Callable[..., Any] = value
        undo[key] = compensation.replaced_by(function)


def _check_unique(cls: type[Any], steps: Mapping[str, AnyStep]) -> None:
    names: dict[str, str] = {}
    for attribute, step in steps.items():
        if step.name in names:
            refuse(
                f"{short(cls.__qualname__)}.{attribute}",
                f"has the name {step.name!r}, like {names[step.name]!r}; rename one of them.",
            )
        names[step.name] = attribute
