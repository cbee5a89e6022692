"""Flows as plain values: what an author writes, to be made a workflow class or walked through."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import durable
from durable import Data, Fail, Retry, Workflow, append, increment, seconds, step
from durable.increments import is_number
from tests.model.trees import MANY, effect

#: what every composition starts with
START: Data = {"n": 1, "d": {"n": 0, "l": [0]}, "l": [], "é.k": 5, "~t": 2}

#: how often the inside of a repeat may run
TURNS = 5

#: what a deed may make of a number
RETYPED = {1: "text", 2: None, 3: True}

Element = tuple[Any, ...]  # (item, index) inside a foreach, else nothing


@dataclass
class Outage:
    """Something that steps need, and that is down for some of them while ``phase`` is not 0."""

    phase: int = 0

    def meet(self, name: str, element: Element) -> None:
        """``Fail`` if it is down for this step and item, which only the phase decides."""
        if self.phase and Random(f"{name} {element[1:]} {self.phase}").random() < 0.3:
            raise Fail("down", type="outage")


@dataclass
class Draft:
    """A workflow class in the making."""

    name: str
    outage: Outage
    on_failure: str = "compensate"
    pace: float = 1.0  # of naps and of pauses before another attempt
    namespace: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, body: Callable[..., Any], **options: Any) -> Any:
        """A step of this name."""
        made = step(name=name, **options)(_named(name, body))
        self.namespace[name] = made
        return made

    def undo(self, name: str, of: Any, body: Callable[..., Any]) -> None:
        """The compensation of a step."""
        self.namespace[name] = of.compensate(_named(name, body))

    def draft(self, name: str) -> Draft:
        """A child's class; it undoes what it did, for another attempt starts another child."""
        return Draft(f"{self.name}-{name}", self.outage, pace=self.pace)

    def span(self, length: float) -> timedelta:
        """How long a nap of ``length`` seconds is at this draft's pace."""
        return seconds(length * self.pace)

    def define(self, node: Node) -> type[Workflow]:
        """The class, registered."""
        meta = {"name": self.name, "max_recoveries": MANY, "on_failure": self.on_failure}
        flow = durable.chain(node.written(self))
        own = {**self.namespace, "Meta": type("Meta", (), meta), "flow": flow}
        return type("Composed", (Workflow,), own)


def _named(name: str, body: Callable[..., Any]) -> Callable[..., Any]:
    body.__name__ = name
    return body


class Node(ABC):
    """A part of a flow."""

    @abstractmethod
    def written(self, draft: Draft) -> Any:
        """What an author would write in ``flow``; its steps are added to the draft."""

    def inside(self) -> list[Node]:
        """The parts of this part."""
        return []

    def outline(self, indent: str = "") -> str:
        """A line for each part, further in what is inside."""
        return "\n".join(
            [f"{indent}{self!r}", *(node.outline(f"{indent}  ") for node in self.inside())]
        )

    def leaves(self) -> Iterator[Work]:
        """The working steps in it, those of children too."""
        for node in self.inside():
            yield from node.leaves()


@dataclass(frozen=True)
class Deed:
    """One thing that a step does to the data."""

    kind: str
    key: str
    amount: int

    def done(self, data: Data, element: Element) -> Data:
        """The data after it; as it was where the value is not of the kind."""
        value = data.get(self.key, 0)
        match self.kind:
            case "increment" if is_number(value):
                return increment(data, self.key, self.amount)
            case "add" if is_number(value):
                return {**data, self.key: value + self.amount}
            case "append":
                return append(data, "l", [self.amount, *element[:1]])
            case "set":
                return {**data, self.key: self.amount}
            case "nest":
                return {**data, self.key: {"z": self.amount}}
            case "drop":
                return {key: value for key, value in data.items() if key != self.key}
            case "copy":
                return {**data, "copy": data.get(self.key)}
            case "retype":
                return {**data, self.key: RETYPED.get(self.amount, self.amount)}
            case "note":
                return {**data, "item": element[0] if element else None}
        return data


@dataclass(frozen=True)
class InsideDeed:
    """A deed that is done to a dict in the data."""

    deed: Deed

    def done(self, data: Data, element: Element) -> Data:
        """The data after it."""
        inside = data.get("d")
        return {**data, "d": self.deed.done(inside if isinstance(inside, dict) else {}, element)}


@dataclass(frozen=True)
class Work(Node):
    """A step: what it does, how it fails, and whether it can be undone."""

    name: str
    deeds: tuple[Deed | InsideDeed, ...]
    gives_value: bool = False  # what a foreach collects, instead of data
    fails: bool = False
    fails_items: bool = False  # each third
    is_flaky: bool = False
    naps: int = 0
    is_atomic: bool = True
    has_effect: bool = False
    is_undone: bool = False
    undo_naps: bool = False

    def result(self, data: Data, element: Element) -> Any:
        """What the body makes of the data; ``Fail`` where that is how it ends."""
        if self.fails or (self.fails_items and element[1] % 3 == 1):
            raise Fail("no", type="refused")
        for deed in self.deeds:
            data = deed.done(data, element)
        return [*element[:1], data.get("n"), (1,)] if self.gives_value else data

    def leaves(self) -> Iterator[Work]:
        yield self

    def written(self, draft: Draft) -> Any:
        def body(self: Any, data: Data, *element: Any) -> Any:
            for _ in range(work.naps):
                self.sleep(draft.span(20))
            if work.has_effect:
                effect(self, work.name)
            if work.is_flaky and self.attempt < 2:
                raise ValueError("flaky")
            draft.outage.meet(work.name, element)
            return work.result(data, element)

        def undo(self: Any, data: Data, *element: Any) -> None:
            if work.undo_naps:
                self.sleep(draft.span(15))

        work = self
        retry = Retry(max_attempts=2, base=draft.span(30), jitter=0)
        made = draft.add(self.name, body, retry=retry, atomic=self.is_atomic)
        if self.is_undone:
            draft.undo(f"un{self.name}", made, undo)
        return made


@dataclass(frozen=True)
class Nap(Node):
    """A timer in the flow."""

    name: str

    def written(self, draft: Draft) -> Any:
        return durable.sleep(draft.span(10), name=self.name)


@dataclass(frozen=True)
class Chain(Node):
    parts: tuple[Node, ...] = field(repr=False)

    def inside(self) -> list[Node]:
        return list(self.parts)

    def written(self, draft: Draft) -> Any:
        return durable.chain(*[part.written(draft) for part in self.parts])


@dataclass(frozen=True)
class Branch(Node):
    """``key`` is one of the data, or of the dict ``d`` in it (``d.n``)."""

    name: str
    key: str
    cases: tuple[Any, ...]
    chosen: tuple[Node, ...] = field(repr=False)
    default: Node | None = field(repr=False)

    def inside(self) -> list[Node]:
        default = [] if self.default is None else [self.default]
        return [*self.chosen, *default]

    def written(self, draft: Draft) -> Any:
        chosen = [node.written(draft) for node in self.chosen]
        cases = list(zip(self.cases, chosen, strict=True))
        default = None if self.default is None else self.default.written(draft)
        return durable.branch(on=self.key, cases=cases, default=default, name=self.name)


@dataclass(frozen=True)
class Parallel(Node):
    """``merge`` may be ``callable``, which stands for ``gathered``."""

    name: str
    branches: Mapping[str, Node] = field(repr=False)
    merge: str
    on_error: Any

    def inside(self) -> list[Node]:
        return list(self.branches.values())

    def written(self, draft: Draft) -> Any:
        merge: Any = gathered if self.merge == "callable" else self.merge
        branches = {name: node.written(draft) for name, node in self.branches.items()}
        return durable.parallel(merge=merge, on_error=self.on_error, name=self.name, **branches)


def gathered(data: Data, results: Mapping[str, Any]) -> Data:
    """What a ``merge`` of an author's own may do: mix what was before with some of the results."""
    numbers = {name: one.value.get("n") for name, one in results.items() if one.ok}
    first = results["b0"]
    return {**data, "numbers": numbers, **(first.value if first.ok else {})}


@dataclass(frozen=True)
class Foreach(Node):
    name: str
    items: tuple[Any, ...]
    do: Node = field(repr=False)
    concurrency: int
    batch_size: int
    collect_as: str | None
    on_error: Any
    max_failures: int | str | None

    @property
    def is_sequence(self) -> bool:
        """Whether each item begins with the data of the one before."""
        return self.concurrency == 1 and self.collect_as is None

    def allows(self, failures: int) -> bool:
        """Whether the block ends well in spite of so many failed items."""
        if self.on_error == "fail_fast":
            return not failures
        limit = self.max_failures
        if isinstance(limit, str):
            limit = len(self.items) * int(limit.rstrip("%")) // 100
        return limit is None or failures <= limit

    def inside(self) -> list[Node]:
        return [self.do]

    def written(self, draft: Draft) -> Any:
        return durable.foreach(
            lambda data, *element: deepcopy(self.items),
            self.do.written(draft),
            concurrency=self.concurrency,
            batch_size=self.batch_size,
            collect_as=self.collect_as,
            on_error=self.on_error,
            max_failures=self.max_failures,
            name=self.name,
        )


@dataclass(frozen=True)
class Repeat(Node):
    """Runs ``body`` until it has counted ``times`` turns in its own key, which is its name."""

    name: str
    body: Node = field(repr=False)
    times: int

    def inside(self) -> list[Node]:
        return [self.body]

    def written(self, draft: Draft) -> Any:
        def count(_: Any, data: Data, *element: Any) -> Data:
            return {**data, self.name: data.get(self.name, 0) + 1}

        counted = durable.chain(self.body.written(draft), draft.add(f"{self.name}count", count))
        return durable.repeat(
            counted,
            until=lambda data, *element: data[self.name] >= self.times,
            max_iterations=TURNS,
            name=self.name,
        )


@dataclass(frozen=True)
class Catch(Node):
    """Whatever fails in ``body``: it is counted as caught, and ``then`` goes on."""

    name: str
    body: Node = field(repr=False)
    then: Node = field(repr=False)

    def inside(self) -> list[Node]:
        return [self.body, self.then]

    def written(self, draft: Draft) -> Any:
        def caught(_: Any, data: Data, *element: Any) -> Data:
            assert "message" in data.pop("err~")
            return increment(data, "caught")

        handler = durable.chain(draft.add(f"{self.name}caught", caught), self.then.written(draft))
        body = self.body.written(draft)
        return durable.catch(body, {Exception: handler}, into="err~", name=self.name)


@dataclass(frozen=True)
class Child(Node):
    name: str
    node: Node = field(repr=False)
    into: str | None

    def inside(self) -> list[Node]:
        return [self.node]

    def written(self, draft: Draft) -> Any:
        workflow = draft.draft(self.name).define(self.node)
        return durable.call_workflow(workflow, into=self.into, name=self.name)
