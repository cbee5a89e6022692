"""``Workflow``: the base class of users' workflows; a subclass is parsed, checked, registered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from durable.authoring.nodes.flow import Part
from durable.authoring.parse import registry
from durable.authoring.parse.collect import collect_steps
from durable.authoring.parse.definition import Definition, define
from durable.authoring.parse.options import WorkflowMeta, read_options
from durable.authoring.parse.wording import refuse, short
from durable.authoring.self.context import Context
from durable.authoring.self.stub import StubContext
from durable.authoring.self.surface import Surface

__all__ = ["Definition", "Workflow", "WorkflowMeta"]


class _Undefined:
    """Stands for ``definition`` on ``Workflow`` and on abstract classes, which have none."""

    def __get__(self, instance: object, owner: type[Any]) -> NoReturn:
        raise AttributeError(f"{owner.__qualname__} is abstract and has no definition.")


class Workflow(Surface):
    """A durable workflow: a class whose methods are steps.

    ``flow`` combines the steps; without it they run in the order written. An instance keeps
    nothing: values that must survive belong in the data.
    """

    flow: ClassVar[Part | None] = None
    if TYPE_CHECKING:
        definition: ClassVar[Definition]
    else:
        definition = _Undefined()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        options = read_options(cls)
        if not isinstance(cls.forms, Mapping):
            refuse(f"{short(cls.__qualname__)}.forms", f"must be a dict, not {cls.forms!r}.")
        if options.abstract:
            collect_steps(cls, retry=options.retry, atomic=options.atomic)
            cls.definition = _Undefined()  # type: ignore[assignment]
            return
        cls.definition = define(cls, options)
        registry.register(cls)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(
            f"{type(self).__name__}.{name} can't be assigned: nothing that is kept on self "
            "survives a wait or a crash. Put it into the data."
        )

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}.{name} can't be deleted.")

    @classmethod
    def bound(cls, context: Context) -> Self:
        """An instance bound to a running execution; for the engine."""
        instance = cls()
        object.__setattr__(instance, "_context", context)
        return instance

    @classmethod
    def stub(
        cls,
        input: Mapping[str, Any] | None = None,
        answers: Mapping[str, Any] | None = None,
        now: datetime | None = None,
        attempt: int = 1,
        error: Mapping[str, Any] | None = None,
        subject: Any = None,
    ) -> Self:
        """An instance for unit tests of single steps; ``answers`` maps waits to answers."""
        return cls.bound(
            StubContext(
                input=dict(input or {}),
                answers=dict(answers or {}),
                present=now,
                attempt=attempt,
                error=error,
                subject=subject,
            )
        )
