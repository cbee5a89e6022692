"""The functions that authors write in ``flow``: ``chain``, ``branch``, ``parallel``, ``foreach``, …

They check their options at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Never

from durable import codec
from durable.authoring.nodes.callables import is_callable
from durable.authoring.nodes.steps import Compensation, Step
from durable.authoring.parse.wording import place, refuse, refuse_unknown
from durable.authoring.values import count, name_of, one_of
from durable.errors import NotSerializable

LONGEST_CASE = 1 << 20  # bytes

MERGES = ("deep", "strict", "last", "collect")
PARALLEL_OPTIONS = ("merge", "on_error", "name")


@dataclass(frozen=True, eq=False)
class Block:
    """A block of a flow as written; ``build`` turns it into a node of the tree."""

    name: str | None = field(default=None, kw_only=True)


Part = Step[..., Any] | Block | str


@dataclass(frozen=True, eq=False)
class ChainBlock(Block):
    parts: tuple[Part, ...]


@dataclass(frozen=True, eq=False)
class BranchBlock(Block):
    on: Any
    cases: tuple[tuple[Any, Part], ...]
    default: Part | None


@dataclass(frozen=True, eq=False)
class ParallelBlock(Block):
    branches: tuple[tuple[str | None, Part], ...]  # (keyword or None, node)
    merge: Any
    on_error: str


@dataclass(frozen=True, eq=False)
class ForeachBlock(Block):
    items: Any
    do: Part
    concurrency: int
    on_error: str
    collect_as: str | None
    batch_size: int
    max_failures: int | str | None


@dataclass(frozen=True, eq=False)
class RepeatBlock(Block):
    do: Part
    until: Any
    max_iterations: int | None


@dataclass(frozen=True, eq=False)
class CatchBlock(Block):
    node: Part
    handlers: tuple[tuple[str | type[Exception], Part], ...]
    into: str


@dataclass(frozen=True, eq=False)
class When:
    """A branch's case that matches by a predicate."""

    predicate: Any


def chain(*nodes: Part, **unknown: Never) -> Block:
    """Run nodes one after the other."""
    where = place("flow")
    for option in unknown:
        refuse(where, f"chain takes steps and blocks, and no option {option!r}.")
    if not nodes:
        refuse(where, "chain() is empty; give it at least one step.")
    return ChainBlock(tuple(part(node, where, "chain") for node in nodes))


def branch(
    on: str | Callable[..., Any] | None = None,
    cases: Mapping[Any, Part] | Sequence[tuple[Any, Part]] = (),
    default: Part | None = None,
    *,
    name: str | None = None,
    **unknown: Never,
) -> Block:
    """Run the first case that equals ``on`` (a key of the data, or ``data -> value``).

    A case matches by value and JSON type; a tuple means any of its values; ``when(…)`` is a
    predicate. Without a match the ``default`` runs; without a ``default`` the block is skipped.
    """
    where = place("flow")
    refuse_unknown(f"{where}: branch", unknown, ("on", "cases", "default", "name"))
    _check_key_or_callable(on, where, "branch(on=)")
    given: Any = cases
    if isinstance(given, str) or not isinstance(given, Iterable):
        refuse(where, f"branch(cases=) takes a dict or a list of pairs, not {given!r}.")
    pairs: list[Any] = list(given.items() if isinstance(given, Mapping) else given)
    if not pairs:
        refuse(where, "branch(cases=) is empty; give it at least one case.")
    checked: list[tuple[Any, Part]] = []
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            refuse(where, f"branch(cases=) takes pairs of value and node, not {pair!r}.")
        if pair[0] == () and isinstance(pair[0], tuple):
            refuse(where, "branch(cases=) has an empty tuple as a case; it would never match.")
        _check_case(pair[0], where)
        checked.append((pair[0], part(pair[1], where, f"branch case {pair[0]!r}")))
    if default is not None:
        part(default, where, "branch(default=)")
    return BranchBlock(on, tuple(checked), default, name=_block_name(name, where))


def parallel(
    *nodes: Part,
    merge: Literal["deep", "strict", "last", "collect"] | Callable[..., Any] = "deep",
    on_error: Literal["fail_fast", "complete_all"] = "fail_fast",
    name: str | None = None,
    **branches: Part,
) -> Block:
    """Run branches in parallel, each on a copy of the data; named by step or keyword."""
    where = place("flow")
    for keyword, node in branches.items():
        if not isinstance(node, Step | Block | str):
            refuse_unknown(f"{where}: parallel", [keyword], PARALLEL_OPTIONS)
    if not is_callable(merge):
        one_of(merge, where, "parallel(merge=)", MERGES)
    one_of(on_error, where, "parallel(on_error=)", ("fail_fast", "complete_all"))
    pairs = [(None, part(node, where, "parallel")) for node in nodes]
    named = [(name_of(key, where, "the branch"), node) for key, node in branches.items()]
    if not pairs and not named:
        refuse(where, "parallel() is empty; give it at least one branch.")
    return ParallelBlock((*pairs, *named), merge, on_error, name=_block_name(name, where))


def foreach(
    items: str | Callable[..., Any],
    do: Part,
    concurrency: int = 1,
    on_error: Literal["fail_fast", "continue"] = "fail_fast",
    collect_as: str | None = None,
    batch_size: int = 1,
    max_failures: int | str | None = None,
    *,
    name: str | None = None,
    **unknown: Never,
) -> Block:
    """Run ``do`` with ``(data, item, index)`` for each of ``items`` (a key, or a callable).

    The callable gets the data and returns an iterable.
    """
    where = place("flow")
    known = ("items", "do", "concurrency", "on_error", "collect_as", "batch_size", "max_failures")
    refuse_unknown(f"{where}: foreach", unknown, (*known, "name"))
    _check_key_or_callable(items, where, "foreach(items)")
    part(do, where, "foreach(do)")
    count(concurrency, where, "foreach(concurrency=)")
    count(batch_size, where, "foreach(batch_size=)")
    one_of(on_error, where, "foreach(on_error=)", ("fail_fast", "continue"))
    if collect_as is not None:
        name_of(collect_as, where, "foreach(collect_as=)")
    if max_failures is not None:
        if on_error != "continue":
            refuse(where, 'foreach(max_failures=) bounds on_error="continue"; set that too.')
        if not (isinstance(max_failures, str) and percent(max_failures) is not None):
            what = 'foreach(max_failures=) (or a share such as "2%")'
            count(max_failures, where, what, least=0)
    options = (concurrency, on_error, collect_as, batch_size, max_failures)
    return ForeachBlock(items, do, *options, name=_block_name(name, where))


def repeat(
    do: Part,
    until: str | Callable[..., Any] | None = None,
    max_iterations: int | None = 100,
    *,
    name: str | None = None,
    **unknown: Never,
) -> Block:
    """Repeat ``do`` until ``until`` (a key, or ``data -> bool``) is true after a round."""
    where = place("flow")
    refuse_unknown(f"{where}: repeat", unknown, ("do", "until", "max_iterations", "name"))
    _check_key_or_callable(until, where, "repeat(until=)")
    if max_iterations is not None:
        count(max_iterations, where, "repeat(max_iterations=)")
    return RepeatBlock(
        part(do, where, "repeat(do)"), until, max_iterations, name=_block_name(name, where)
    )


def catch(
    node: Part,
    handlers: Mapping[str | type[Exception], Part],
    into: str = "error",
    *,
    name: str | None = None,
    **unknown: Never,
) -> Block:
    """Run ``node``; on a listed error type, run that handler on the data before ``node``."""
    where = place("flow")
    refuse_unknown(f"{where}: catch", unknown, ("node", "handlers", "into", "name"))
    given: Any = handlers
    if not isinstance(given, Mapping) or not given:
        refuse(where, f"catch() takes a dict of error type to node, not {given!r}.")
    for error, handler in given.items():
        part(handler, where, f"catch handler {error!r}")
        if isinstance(error, str) and error:
            continue
        if not (isinstance(error, type) and issubclass(error, Exception)):
            refuse(where, f"catch() knows error types by text or exception class, not {error!r}.")
    name_of(into, where, "catch(into=)")
    return CatchBlock(
        part(node, where, "catch"),
        tuple(handlers.items()),
        into,
        name=_block_name(name, where),
    )


def when(predicate: Callable[..., Any]) -> When:
    """A case of ``branch`` that matches if ``predicate(value)`` is true."""
    if not is_callable(predicate):
        refuse(place("flow"), f"when() takes a callable, not {predicate!r}.")
    return When(predicate)


def part(value: Any, where: str, what: str) -> Part:
    """A checked part of a flow; ``DefinitionError`` for anything else."""
    if isinstance(value, Step | Block | str):
        return value
    hint = "give it a step, a block such as chain(…), or the name of a step."
    if isinstance(value, Compensation):
        hint = "it is a compensation, which the engine runs by itself."
    elif isinstance(value, list | tuple):
        hint = "use chain(…) for steps one after the other."
    elif isinstance(value, type):
        hint = "use call_workflow(…) for another workflow."
    elif callable(value):
        hint = "decorate it with @step."
    refuse(where, f"{what} got {value!r}, which is not a step: {hint}")


def percent(text: str) -> float | None:
    """The number in ``"2%"``, if it is from 0 to 100; else ``None``."""
    try:
        number = float(text.removesuffix("%")) if text.endswith("%") else -1.0
    except ValueError:
        return None
    return number if 0 <= number <= 100 else None


def _check_key_or_callable(value: Any, where: str, what: str) -> None:
    if not (isinstance(value, str) and value) and not is_callable(value):
        refuse(where, f"{what} takes a key of the data or a callable, not {value!r}.")


def _check_case(value: Any, where: str) -> None:
    for one in value if isinstance(value, tuple) else ():
        _check_case(one, where)
    if isinstance(value, tuple | When):
        return
    try:
        codec.dumps(value, path="value", limit=LONGEST_CASE)
    except NotSerializable as error:
        refuse(where, f"branch case {value!r} would never match: {error.reason}.")


def _block_name(name: Any, where: str) -> str | None:
    return None if name is None else name_of(name, where, "name=")
