"""``@step`` and ``@s.compensate``: methods with options for their execution."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MethodType
from typing import Any, Concatenate, Generic, Never, ParamSpec, Self, TypeVar, overload

from durable.authoring.nodes.retry import Retry
from durable.authoring.parse.wording import place, refuse, refuse_unknown, short
from durable.authoring.values import UNSET, Unset, flag, name_of, span

P = ParamSpec("P")
R = TypeVar("R")
P2 = ParamSpec("P2")
R2 = TypeVar("R2")

STEP_OPTIONS = ("name", "retry", "timeout", "atomic", "queue", "verbose_name")
COMPENSATION_OPTIONS = ("retry", "timeout", "always", "atomic")


class Method(Generic[P, R]):
    """A method with options: this object on the class, the plain method on an instance."""

    kinds = "method"

    def __init__(self, function: Callable[Concatenate[Any, P], R], given: Mapping[str, Any]):
        self.function = function
        self.given = {key: value for key, value in given.items() if value is not UNSET}
        self.where = short(getattr(function, "__qualname__", repr(function)))
        if isinstance(function, staticmethod | classmethod | type) or not callable(function):
            refuse(self.where, f"{self.kinds} must be a plain method, not {function!r}.")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            refuse(self.where, f"{self.kinds} can't be a generator; return the data instead.")
        self.is_async = inspect.iscoroutinefunction(function)
        self.retry = Retry.of(self.given.get("retry"))
        self.timeout: timedelta | None = span(self.given.get("timeout"), self.where, "timeout")
        self.atomic: bool | None = self.given.get("atomic")
        if self.atomic is not None:
            flag(self.atomic, self.where, "atomic")
        if self.is_async and self.atomic:
            refuse(
                self.where,
                "an async method can't be atomic: its transaction would be held across awaits. "
                "Pass atomic=False or write it as a plain def.",
            )

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> Callable[P, R]: ...
    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> Any:
        return self if instance is None else MethodType(self.function, instance)

    def _with(self, **changes: Any) -> Self:
        other = copy.copy(self)
        for name, value in changes.items():
            setattr(other, name, value)
        return other


class Compensation(Method[P, R]):
    """The method that undoes one step."""

    kinds = "a compensation"

    def __init__(
        self,
        function: Callable[Concatenate[Any, P], R],
        given: Mapping[str, Any],
        step: Step[..., Any],
        name: str | None = None,
    ):
        super().__init__(function, given)
        self.step = step
        self.name = name or function.__name__
        self.always = flag(self.given.get("always", False), self.where, "always")

    def over(self, base: Compensation[..., Any] | None) -> Compensation[..., Any]:
        """This compensation, with missing options taken from the overridden one."""
        given = {**(base.given if base else {}), **self.given}
        return Compensation(self.function, given, self.step, self.name)

    def replaced_by(self, function: Callable[..., Any]) -> Compensation[..., Any]:
        """The same compensation with another body: a subclass's method of the same name."""
        return Compensation(function, self.given, self.step, self.name)

    def resolved(self, step: Step[..., Any], retry: Retry | None) -> Compensation[..., Any]:
        """With all options set: ``retry`` from ``Meta``, ``atomic`` from the step."""
        atomic = step.atomic if self.atomic is None else self.atomic
        return self._with(
            retry=self.retry if "retry" in self.given else retry,
            atomic=bool(atomic) and not self.is_async,
        )


class Step(Method[P, R]):
    """A step of a workflow: a method with the options of its execution.

    In ``cls.definition`` steps are resolved: ``atomic`` is a ``bool``, ``retry`` has the class's
    default. On the class itself they are as written. ``kind`` is ``"step"``, or for standing
    nodes ``"sleep"``, ``"event"``, ``"approval"`` or ``"workflow"``.
    """

    kinds = "a step"

    def __init__(
        self,
        function: Callable[Concatenate[Any, P], R],
        given: Mapping[str, Any] | None = None,
        *,
        kind: str = "step",
        fixed_name: bool = True,
    ):
        super().__init__(function, given or {})
        self.kind, self.fixed_name = kind, fixed_name
        self.attribute: str | None = None  # the name in the class body
        self.origin: Step[..., Any] = self  # of a renamed copy: the step in the class body
        self.compensation: Compensation[..., Any] | None = None
        self.name = name_of(
            self.given.get("name", getattr(function, "__name__", None)), self.where, "its name"
        )
        self.verbose_name: Any = self.given.get("verbose_name")
        self.queue: str | None = self.given.get("queue")
        if self.queue is not None:
            name_of(self.queue, self.where, "queue")

    def __set_name__(self, owner: type[Any], name: str) -> None:
        if name == "flow" or self.attribute is not None:
            return
        self.attribute = name
        if "name" not in self.given and self.kind == "step":
            self.name = name

    def __repr__(self) -> str:
        return f"<step {self.name}>"

    def named(self, name: str) -> Self:
        """A copy of the step under another name, for a second place in a flow."""
        name_of(name, self.where, "the name in named()")
        return self._with(
            name=name,
            fixed_name=True,
            attribute=None,
            given={**self.given, "name": name},
        )

    def over(self, base: Step[..., Any] | None) -> Step[..., Any]:
        """This step, with missing options taken from the overridden one."""
        if base is None:
            return self
        other: Step[..., Any] = Step(self.function, {**base.given, **self.given}, kind=self.kind)
        other.attribute = self.attribute
        other.name = other.given.get("name", self.name)
        return other

    def resolved(
        self, retry: Retry | None, atomic: bool, compensation: Compensation[..., Any] | None
    ) -> Step[..., Any]:
        """With all options set, missing ones from the class's defaults."""
        atomic = atomic if self.atomic is None else self.atomic
        other = self._with(
            retry=self.retry if "retry" in self.given else retry,
            atomic=atomic and not self.is_async,
        )
        other.compensation = compensation and compensation.resolved(other, retry)
        return other

    @overload
    def compensate(
        self, function: Callable[Concatenate[Any, P2], R2], /
    ) -> Compensation[P2, R2]: ...
    @overload
    def compensate(
        self,
        /,
        *,
        retry: Retry | int | Unset | None = UNSET,
        timeout: timedelta | Unset | None = UNSET,
        always: bool | Unset = UNSET,
        atomic: bool | Unset = UNSET,
        **unknown: Never,
    ) -> Callable[[Callable[Concatenate[Any, P2], R2]], Compensation[P2, R2]]: ...
    def compensate(self, function: Any = None, /, **given: Any) -> Any:
        """Declare this step's compensation: ``@s.compensate`` or ``@s.compensate(retry=5)``."""
        refuse_unknown(
            f"{self.where}.compensate",
            [k for k in given if k not in COMPENSATION_OPTIONS],
            COMPENSATION_OPTIONS,
        )

        def declare(function: Callable[..., Any]) -> Compensation[..., Any]:
            compensation: Compensation[..., Any] = Compensation(function, given, self)
            if self.attribute is None:  # the class body is still being executed
                if self.compensation is not None:
                    refuse(self.where, "has two compensations; a step can have only one.")
                self.compensation = compensation
            return compensation

        return declare if function is None else declare(function)


@overload
def step(function: Callable[Concatenate[Any, P], R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    name: str | Unset = UNSET,
    retry: Retry | int | Unset | None = UNSET,
    timeout: timedelta | Unset | None = UNSET,
    atomic: bool | Unset = UNSET,
    queue: str | Unset | None = UNSET,
    verbose_name: Any = UNSET,
    **unknown: Never,
) -> Callable[[Callable[Concatenate[Any, P], R]], Step[P, R]]: ...
def step(function: Any = None, /, **given: Any) -> Any:
    """Make a method a step: ``@step`` or ``@step(retry=…, timeout=…, atomic=…, …)``."""
    refuse_unknown(place("step"), [key for key in given if key not in STEP_OPTIONS], STEP_OPTIONS)
    if function is None:
        return lambda function: Step(function, given)
    if not callable(function):
        refuse(place("step"), f"step takes its options by keyword, not {function!r}.")
    return Step(function, given)
