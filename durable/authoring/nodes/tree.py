"""The validated flow: a tree of nodes, each found by a path of stable names.

Paths: a step is its name (``validate``); a case of a branch ``decide/approved/<step>``, its
default ``decide/default/<step>``; a branch of a parallel ``fetch/billing/<step>``; the body of a
foreach, a repeat or a catch ``<block>/do/<step>``; a handler of a catch
``<catch>/<error label>/<step>``. Each of these bodies is a ``Chain`` with a path of its own
(``decide/approved``); the root chain's path is ``""``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from durable.authoring.nodes.flow import percent
from durable.authoring.nodes.steps import Step


@dataclass(frozen=True, eq=False)
class Node:
    """A place in the flow; ``name`` is the last part of ``path``."""

    path: str
    name: str

    has_parts = False  # whether its bodies run in executions of their own

    @property
    def kind(self) -> str:
        """``chain``, ``branch``, ``parallel``, ``foreach``, ``repeat``, ``catch``, or a step's."""
        return type(self).__name__.lower()

    @property
    def label(self) -> str:
        """The text on it in a drawing."""
        return self.name

    def children(self) -> tuple[Node, ...]:
        """The nodes directly below, in written order."""
        return ()


@dataclass(frozen=True, eq=False)
class Leaf(Node):
    """A step, or a standing node (whose step is synthetic)."""

    step: Step[..., Any]

    @property
    def kind(self) -> str:
        return self.step.kind

    @property
    def label(self) -> str:
        return str(self.step.verbose_name or self.name)


@dataclass(frozen=True, eq=False)
class Chain(Node):
    """Nodes one after the other. Never directly inside another chain."""

    nodes: tuple[Node, ...]

    def children(self) -> tuple[Node, ...]:
        return self.nodes


@dataclass(frozen=True, eq=False)
class Case:
    """One way through a branch. ``label`` is the name of its body: ``<branch>/<label>``."""

    label: str
    matcher: Callable[[Any, Any], bool]  # (workflow instance, value)
    body: Chain


@dataclass(frozen=True, eq=False)
class Branch(Node):
    """A branch: the first matching case runs. ``on``: ``(instance, data, …) -> value``."""

    on: Callable[..., Any]
    cases: tuple[Case, ...]
    default: Chain | None

    def children(self) -> tuple[Node, ...]:
        bodies = tuple(case.body for case in self.cases)
        return bodies if self.default is None else (*bodies, self.default)

    def choose(self, value: Any, instance: Any = None) -> Case | None:
        """The case for a value, or else ``default`` as a case; ``None`` skips the block.

        ``instance`` is needed only where ``when`` names a method of the class.
        """
        for case in self.cases:
            if case.matcher(instance, value):
                return case
        return self.default_case

    @property
    def default_case(self) -> Case | None:
        """The default as a case that matches anything."""
        if self.default is None:
            return None
        return Case("default", lambda instance, value: True, self.default)


@dataclass(frozen=True, eq=False)
class Parallel(Node):
    """Branches run in parallel. ``merge``: a name, or ``(instance, data, results) -> data``."""

    branches: dict[str, Chain]
    merge: str | Callable[..., Any]
    on_error: str

    has_parts = True

    def children(self) -> tuple[Node, ...]:
        return tuple(self.branches.values())


@dataclass(frozen=True, eq=False)
class Foreach(Node):
    """A body run for each item. ``items``: ``(instance, data, …) -> iterable``."""

    items: Callable[..., Any]
    body: Chain
    concurrency: int
    on_error: str
    collect_as: str | None
    batch_size: int
    max_failures: int | str | None

    has_parts = True
    round = "each item"  # the label of the way into its body

    def children(self) -> tuple[Node, ...]:
        return (self.body,)

    def failure_limit(self, total: int) -> int | None:
        """How many of ``total`` items may fail before the block does; ``None``: any number."""
        if isinstance(self.max_failures, str):
            return int(total * (percent(self.max_failures) or 0.0) / 100)
        return self.max_failures


@dataclass(frozen=True, eq=False)
class Repeat(Node):
    """A body repeated until ``until`` (``(instance, data, …) -> truth``) is true after a round."""

    body: Chain
    until: Callable[..., Any]
    max_iterations: int | None

    round = "each round"  # the label of the way into its body

    def children(self) -> tuple[Node, ...]:
        return (self.body,)


@dataclass(frozen=True, eq=False)
class Handler:
    """A handler for one type of error: the ``type`` of a ``Fail``, or an exception class."""

    label: str
    error: str | type[Exception]
    body: Chain


@dataclass(frozen=True, eq=False)
class Catch(Node):
    """A body with handlers for its errors; the error is put into the data under ``into``."""

    body: Chain
    handlers: tuple[Handler, ...]
    into: str

    def children(self) -> tuple[Node, ...]:
        return (self.body, *(handler.body for handler in self.handlers))


@dataclass(frozen=True, eq=False)
class Tree:
    """A whole flow: find a node, its parent, the next one."""

    root: Chain
    nodes: dict[str, Node] = field(init=False)
    _parents: dict[str, Node] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        nodes: dict[str, Node] = {}
        parents: dict[str, Node] = {}
        for node in walk(self.root):
            nodes[node.path] = node
            parents.update((child.path, node) for child in node.children())
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "_parents", parents)

    def find(self, path: str) -> Node | None:
        """The node at a path, or ``None`` if the flow has no such path (any more)."""
        return self.nodes.get(path)

    def parent(self, path: str) -> Node | None:
        """The node that directly contains the one at ``path``; ``None`` for the root."""
        return self._parents.get(path)

    def following(self, path: str) -> Node | None:
        """The next node in the same chain; ``None`` at the chain's end, or outside of a chain."""
        chain = self.parent(path)
        if not isinstance(chain, Chain):
            return None
        position = next(i for i, node in enumerate(chain.nodes) if node.path == path)
        return chain.nodes[position + 1] if position + 1 < len(chain.nodes) else None

    def leaves(self) -> list[Leaf]:
        """All steps and standing nodes, in written order."""
        return [node for node in walk(self.root) if isinstance(node, Leaf)]


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it, in written order."""
    yield node
    for child in node.children():
        yield from walk(child)
