"""Read the ``Meta`` of a workflow class: check, inherit and normalise its options."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal

from durable.authoring.calendar.cron import Cron, OnEvent
from durable.authoring.nodes.callables import is_callable
from durable.authoring.nodes.retry import Retry
from durable.authoring.parse.wording import did_you_mean, refuse, short
from durable.authoring.values import count, flag, name_of, one_of, span

NOT_INHERITED = frozenset({"name", "abstract", "version", "schedules", "triggers"})


class WorkflowMeta:
    """The optional base of ``Meta``: completion and type checks for its options."""

    name: ClassVar[str]
    version: ClassVar[int]
    queue: ClassVar[str]
    priority: ClassVar[int]
    timeout: ClassVar[timedelta | None]
    retry: ClassVar[Retry | int | None]
    atomic: ClassVar[bool]
    key: ClassVar[str | Callable[[dict[str, Any]], str | None] | None]
    max_recoveries: ClassVar[int]
    retention: ClassVar[timedelta | None]
    verbose_name: ClassVar[Any]
    permissions: ClassVar[Sequence[str]]
    on_failure: ClassVar[Literal["compensate", "hold"]]
    abstract: ClassVar[bool]
    schedules: ClassVar[Sequence[Cron]]
    triggers: ClassVar[Sequence[OnEvent]]
    subject: ClassVar[Any]


@dataclass(frozen=True)
class Options:
    """The options of one class, all set."""

    name: str
    version: int = 1
    queue: str = "default"
    priority: int = 0
    timeout: timedelta | None = None
    retry: Retry | None = None
    atomic: bool = True
    key: str | Callable[[dict[str, Any]], str | None] | None = None
    max_recoveries: int = 5
    retention: timedelta | None = None
    verbose_name: Any = None
    permissions: tuple[str, ...] = ()
    on_failure: str = "compensate"
    abstract: bool = False
    schedules: tuple[Cron, ...] = ()
    triggers: tuple[OnEvent, ...] = ()
    subject: str | None = None
    given: frozenset[str] = frozenset()  # names of the options set in a Meta


KNOWN = tuple(field.name for field in dataclasses.fields(Options) if field.name != "given")


def read_options(cls: type[Any]) -> Options:
    """The options of a class: its own ``Meta`` over the ``Meta`` of its bases."""
    given: dict[str, Any] = {}
    for klass in reversed(cls.__mro__):
        for option, value in _given(klass, cls):
            if klass is cls or option not in NOT_INHERITED:
                given[option] = value
    where = f"{short(cls.__qualname__)}.Meta"
    named = frozenset(given)
    given.setdefault("name", snake_case(cls.__name__))
    for option in given:
        given[option] = _normal(option, given[option], f"{where}.{option}")
    if given.get("verbose_name") is None:
        given["verbose_name"] = given["name"].replace("_", " ")
    options = Options(**given, given=named)
    return dataclasses.replace(options, schedules=_named(options, f"{where}.schedules"))


def snake_case(name: str) -> str:
    """``ProcessOrder`` → ``process_order``, ``HTTPImport`` → ``http_import``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _given(klass: type[Any], cls: type[Any]) -> Iterator[tuple[str, Any]]:
    meta = vars(klass).get("Meta")
    if meta is None:
        return
    where = f"{short(klass.__qualname__)}.Meta"
    if not isinstance(meta, type):
        refuse(where, f"must be a class, not {meta!r}.")
    metas = {vars(base).get("Meta") for base in klass.__mro__[1:]}
    for source in reversed(meta.__mro__):
        if source in (object, WorkflowMeta):
            continue
        for option in vars(source):
            if option.startswith("_"):
                continue
            if option not in KNOWN:
                hint = did_you_mean(option, KNOWN) or f" Known are: {', '.join(KNOWN)}."
                refuse(where, f"unknown option {option!r}.{hint}")
            if source not in metas or option not in NOT_INHERITED:
                yield option, getattr(source, option)


def _normal(option: str, value: Any, where: str) -> Any:
    match option:
        case "name":
            if "@" in name_of(value, where):
                refuse(where, f"{value!r} contains '@', which separates name and version.")
        case "version":
            count(value, where, "version")
        case "max_recoveries":
            count(value, where, "max_recoveries", least=0)
        case "queue":
            name_of(value, where, "queue")
        case "priority":
            count(value, where, "priority", least=-32768)
        case "timeout":
            return span(value, where, option)
        case "retention":
            return span(value, where, option, ago=True)
        case "retry":
            if not isinstance(value, Retry | int | None) or isinstance(value, bool):
                refuse(where, f"takes Retry(…) or a number of attempts, not {value!r}.")
            return Retry.of(value)
        case "atomic" | "abstract":
            flag(value, where, option)
        case "on_failure":
            one_of(value, where, option, ("compensate", "hold"))
        case "key":
            if value is not None and not is_callable(value) and not _is_text(value):
                refuse(where, f"takes a key of the input or a callable, not {value!r}.")
        case "permissions":
            return _several(value, str, where, "permissions such as 'shop.approve_order'")
        case "schedules":
            return _several(value, Cron, where, 'Cron("0 9 * * *", …)')
        case "triggers":
            return _several(value, OnEvent, where, 'OnEvent("user.signed_up")')
        case "subject":
            return _model_label(value, where)
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _several(value: Any, kind: type[Any], where: str, example: str) -> tuple[Any, ...]:
    single = isinstance(value, str) or not isinstance(value, Iterable)
    if single or any(not isinstance(item, kind) for item in value):
        refuse(where, f"takes a list of {example}, not {value!r}.")
    return tuple(value)


def _model_label(value: Any, where: str) -> str | None:
    if value is None:
        return None
    label = getattr(getattr(value, "_meta", None), "label", value)
    if not isinstance(label, str) or label.count(".") != 1:
        refuse(where, f'takes a model as "app_label.Model", not {value!r}.')
    return label


def _named(options: Options, where: str) -> tuple[Cron, ...]:
    """The schedules with names; one may have the workflow's name."""
    names: Mapping[str, None] = {}
    named: list[Cron] = []
    for schedule in options.schedules:
        name = schedule.name or options.name
        if name in names:
            refuse(where, f"two schedules are called {name!r}; give each a name of its own.")
        names = {**names, name: None}
        named.append(dataclasses.replace(schedule, name=name))
    return tuple(named)
