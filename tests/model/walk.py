"""The independent opinion on a composition: one walk through its tree, without an engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from durable import Data, Fail, increment
from durable.engine.parts.join import Result
from durable.increments import Collected
from tests.model.compositions import (
    TURNS,
    Branch,
    Catch,
    Chain,
    Child,
    Element,
    Foreach,
    Nap,
    Node,
    Parallel,
    Repeat,
    Work,
    gathered,
)
from tests.model.merging import contradict, in_place_of, merged, plain, stored

#: stands for the document of an error, whose words are not the walk's business
ERROR = "an error"


class Failed(Exception):
    """This part of the flow fails."""


class Walk:
    """Goes through a tree, and notes what it met."""

    def __init__(self) -> None:
        #: how often each step has completed and is to stay so
        self.standing: Counter[str] = Counter()
        #: steps in parts that failed and were allowed to: how far they came is left to chance
        self.unsure: set[str] = set()
        self.met: Counter[str] = Counter()

    def end(self, node: Node, data: Data) -> Any:
        """The data at the end of the whole; ``None`` if it fails."""
        try:
            return without_errors(plain(self.through(node, data, ())))
        except Failed:
            return None

    def through(self, node: Node, data: Any, element: Element) -> Any:
        """The data after ``node``; ``Failed`` if that is how it ends."""
        match node:
            case Work():
                return self._work(node, data, element)
            case Nap():
                return data
            case Chain(parts):
                for part in parts:
                    data = self.through(part, data, element)
                return data
            case Branch():
                chosen = _chosen(node, data)
                return data if chosen is None else self.through(chosen, data, element)
            case Parallel():
                return self._parallel(node, data, element)
            case Foreach():
                return self._foreach(node, data)
            case Repeat():
                return self._repeat(node, data, element)
            case Catch():
                return self._catch(node, data, element)
            case Child():
                return self._child(node, data)
        raise AssertionError(node)

    @contextmanager
    def _undone_if_failed(self) -> Iterator[None]:
        """Of what fails in here, nothing stands."""
        before = self.standing.copy()
        try:
            yield
        except Failed:
            self.standing = before
            raise

    def _work(self, node: Work, data: Data, element: Element) -> Any:
        try:
            result = node.result(stored(data), stored(element))
        except Fail as error:
            raise Failed from error
        self.standing[node.name] += 1
        return stored(result)

    def _allowed(self, node: Node, data: Data, element: Element) -> Result:
        """A part that may fail without what is around it."""
        try:
            with self._undone_if_failed():
                return Result(True, self.through(node, data, element))
        except Failed:
            self.unsure.update(leaf.name for leaf in node.leaves())
            return Result(False)

    def _parallel(self, node: Parallel, data: Data, element: Element) -> Any:
        base = plain(data)
        results = {name: self._allowed(each, base, element) for name, each in node.branches.items()}
        if not all(one.ok for one in results.values()) and (
            node.on_error == "fail_fast" or node.merge in ("deep", "strict", "last")
        ):
            raise Failed
        self.met[f"merge={node.merge}"] += 1
        match node.merge:
            case "callable":
                whole = {
                    name: Result(True, in_place_of(data, base, one.value)) if one.ok else one
                    for name, one in results.items()
                }
                return stored(gathered(data, whole))
            case "collect":
                values = {
                    name: one.value if one.ok else {"error": ERROR} for name, one in results.items()
                }
                return {**data, node.name: values}
            case "last":
                *_, last = results.values()
                return in_place_of(data, base, last.value)
            case "strict":
                ends = [one.value for one in results.values()]
                for number, end in enumerate(ends):
                    if any(contradict(base, other, end) for other in ends[:number]):
                        self.met["conflicts"] += 1
                        raise Failed
        for one in results.values():
            data = merged(data, base, one.value)
        return data

    def _foreach(self, node: Foreach, data: Data) -> Any:
        base = now = plain(data)
        results: list[Result] = []
        for index, item in enumerate(node.items):
            result = self._allowed(node.do, now, (item, index))
            if node.is_sequence and result.ok:
                now = result.value
            results.append(result)
        errors = [{"index": at, "error": ERROR} for at, one in enumerate(results) if not one.ok]
        if not node.allows(len(errors)):
            raise Failed
        self.met["failed items" if errors else "foreach"] += 1
        if node.collect_as is not None:
            data = {**data, node.collect_as: Collected(one.value for one in results)}
        elif node.is_sequence:
            self.met["sequence"] += len(node.items) > 1
            data = merged(data, base, now)
        else:
            for one in results:
                data = merged(data, base, one.value) if one.ok else data
        if node.on_error == "continue":
            succeeded = len(results) - len(errors)
            summary = {"total": len(results), "succeeded": succeeded, "failed": len(errors)}
            data = {**data, node.name: {**summary, "errors": errors}}
        return data

    def _repeat(self, node: Repeat, data: Data, element: Element) -> Any:
        for _ in range(TURNS):
            data = self.through(node.body, data, element)
            data = {**data, node.name: data.get(node.name, 0) + 1}
            if data[node.name] >= node.times:
                return data
        raise Failed

    def _catch(self, node: Catch, data: Data, element: Element) -> Any:
        try:
            with self._undone_if_failed():
                return self.through(node.body, data, element)
        except Failed:
            self.met["caught"] += 1
            return self.through(node.then, increment(data, "caught"), element)

    def _child(self, node: Child, data: Data) -> Any:
        result = plain(self.through(node.node, plain(data), ()))
        return data if node.into is None else {**data, node.into: result}


def _chosen(node: Branch, data: Data) -> Node | None:
    """The case that equals the value; a bool is no number."""
    holder, _, inside = node.key.partition(".")
    value = data.get(holder)
    if inside:
        value = value.get(inside) if isinstance(value, dict) else None
    for case, chosen in zip(node.cases, node.chosen, strict=True):
        for one in case if isinstance(case, tuple) else (case,):
            if value == one and isinstance(value, bool) == isinstance(one, bool):
                return chosen
    return node.default


def without_errors(value: Any) -> Any:
    """Data in which each document of an error is just ``ERROR``, and lists remember nothing."""
    if isinstance(value, dict):
        if value.keys() >= {"type", "message", "step"}:
            return ERROR
        return {key: without_errors(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        kind = tuple if isinstance(value, tuple) else list
        return kind(without_errors(one) for one in value)
    return value
