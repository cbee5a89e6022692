"""Build the tree of a class from its ``flow``: assign names and paths, bind callables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from durable.authoring.nodes.callables import bind_callable, bind_key_or_callable, label_of
from durable.authoring.nodes.cases import case_label, matcher
from durable.authoring.nodes.flow import (
    PARALLEL_OPTIONS,
    Block,
    BranchBlock,
    CatchBlock,
    ChainBlock,
    ForeachBlock,
    ParallelBlock,
    Part,
    RepeatBlock,
    part,
)
from durable.authoring.nodes.steps import Step
from durable.authoring.nodes.tree import (
    Branch,
    Case,
    Catch,
    Chain,
    Foreach,
    Handler,
    Leaf,
    Node,
    Parallel,
    Repeat,
    Tree,
)
from durable.authoring.parse.collect import owner_attribute
from durable.authoring.parse.wording import did_you_mean, refuse, short
from durable.states import ROLLBACK

AnyStep = Step[..., Any]


def build_tree(cls: type[Any], flow: Any, steps: Mapping[str, AnyStep]) -> Tree:
    """The tree of a class; ``steps`` are the resolved steps by attribute.

    Without a ``flow`` the steps run in the order written.
    """
    builder = _Builder(cls, steps)
    if flow is None:
        if not steps:
            why = "has no steps; decorate a method with @step, or set Meta.abstract = True."
            refuse(short(cls.__qualname__), why)
        flow = ChainBlock(tuple(builder.by_name))
    return Tree(builder.chain(part(flow, builder.where, "flow"), "", item=False))


class LevelNames:
    """The names in one body: fixed ones must differ, others give way with ``-2``, ``-3``."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)

    def fix(self, name: str, where: str, hint: str) -> str:
        """Take a name chosen by the author."""
        if name.startswith(ROLLBACK):
            refuse(where, f"{name!r} begins with {ROLLBACK!r}, which marks a rollback in paths.")
        if name in self.taken:
            refuse(where, f"{name!r} is used twice {hint}")
        self.taken.add(name)
        return name

    def free(self, name: str) -> str:
        """Take a name, or its first free variant."""
        name = name.replace(ROLLBACK, "-", 1) if name.startswith(ROLLBACK) else name
        number, candidate = 1, name
        while candidate in self.taken:
            number += 1
            candidate = f"{name}-{number}"
        self.taken.add(candidate)
        return candidate


class _Builder:
    def __init__(self, cls: type[Any], steps: Mapping[str, AnyStep]) -> None:
        self.cls = cls
        self.by_attribute = steps
        self.by_name = {step.name: step for step in steps.values()}
        self.where = f"{short(cls.__qualname__)}.flow"
        self.builders: dict[type[Block], Callable[[Any, str, str, bool], Node]] = {
            BranchBlock: self.branch,
            ParallelBlock: self.parallel,
            ForeachBlock: self.foreach,
            RepeatBlock: self.repeat,
            CatchBlock: self.catch,
        }

    # -- chains and leaves ---------------------------------------------------------------

    def chain(self, body: Part, path: str, *, item: bool) -> Chain:
        """A part as the body of a block: always a chain, with nested chains flattened."""
        parts = list(self.flat(body))
        names = LevelNames()
        hint = "in one chain; give the second another name: step.named(…) or name=."
        fixed = {
            at: names.fix(name, self.where, hint)
            for at, one in enumerate(parts)
            for name, is_fixed in [self.proposed(one)]
            if is_fixed
        }
        nodes = tuple(
            self.node(one, path, fixed.get(at) or names.free(self.proposed(one)[0]), item)
            for at, one in enumerate(parts)
        )
        return Chain(path, path.rpartition("/")[2], nodes)

    def flat(self, body: Part) -> Iterable[AnyStep | Block]:
        if isinstance(body, ChainBlock):
            for one in body.parts:
                yield from self.flat(one)
        else:
            yield self.step(body) if isinstance(body, Step | str) else body

    def node(self, one: AnyStep | Block, above: str, name: str, item: bool) -> Node:
        path = f"{above}/{name}" if above else name
        if isinstance(one, Step):
            step = one if one.name == name else one.named(name)
            self.check_arguments(step, item)
            return Leaf(path, name, step)
        return self.builders[type(one)](one, path, name, item)

    def step(self, written: AnyStep | str, keyword: str | None = None) -> AnyStep:
        """The class's own step for a step (also of a base) or a name in the flow."""
        if isinstance(written, str):
            found = self.by_name.get(written) or self.by_attribute.get(written)
            if found is None:
                hint = did_you_mean(keyword, PARALLEL_OPTIONS) if keyword else ""
                hint = hint or did_you_mean(written, self.by_name)
                refuse(self.where, f"there is no step {written!r}.{hint}")
            return found
        if written.kind != "step":
            return written
        attribute = owner_attribute(written)
        found = self.by_attribute.get(attribute or "")
        owned = any(
            vars(klass).get(attribute or "") in (written, written.origin)
            for klass in self.cls.__mro__
        )
        if found is None or not owned:
            refuse(self.where, f"{written.name!r} is not a step of this class or its bases.")
        return found if written.attribute is not None else found.named(written.name)

    def check_arguments(self, step: AnyStep, item: bool) -> None:
        wanted = ("self", "data", "item", "index") if item else ("self", "data")
        functions = [step.function] + ([step.compensation.function] if step.compensation else [])
        for function in functions:
            try:
                signature = inspect.signature(function)
            except (TypeError, ValueError):
                continue  # a builtin or a mock: an error comes with the call
            try:
                signature.bind(*wanted)
            except TypeError:
                name = getattr(function, "__name__", step.name)
                inside = " in a foreach" if item else ""
                refuse(
                    f"{short(self.cls.__qualname__)}.{name}",
                    f"is called with ({', '.join(wanted)}){inside}, but takes {signature}.",
                )

    # -- names ---------------------------------------------------------------------------------

    def proposed(self, one: Part) -> tuple[str, bool]:
        """The name of a part, and whether the author chose it (then it can't give way)."""
        if isinstance(one, str):
            one = self.step(one)
        if isinstance(one, Step):
            return one.name, one.fixed_name
        if one.name is not None:
            return one.name, True
        match one:
            case ChainBlock():
                return self.proposed(one.parts[0])
            case ForeachBlock():
                return self.proposed(one.do)[0], False
            case BranchBlock():
                name = one.on.rpartition(".")[2] if isinstance(one.on, str) else label_of(one.on)
                return (name or "branch").replace("/", "-"), False
        return {ParallelBlock: "parallel", RepeatBlock: "repeat"}.get(type(one), "catch"), False

    # -- blocks --------------------------------------------------------------------------------

    def branch(self, block: BranchBlock, path: str, name: str, item: bool) -> Branch:
        names = LevelNames({"default"})
        cases = []
        for ordinal, (value, node) in enumerate(block.cases, 1):
            label = names.free(case_label(value, ordinal))
            body = self.chain(node, f"{path}/{label}", item=item)
            cases.append(Case(label, matcher(self.cls, value), body))
        default = block.default and self.chain(block.default, f"{path}/default", item=item)
        on = bind_key_or_callable(self.cls, block.on)
        return Branch(path, name, on, tuple(cases), default or None)

    def parallel(self, block: ParallelBlock, path: str, name: str, item: bool) -> Parallel:
        names = LevelNames()
        hint = "as a branch of one parallel(); use a keyword or step.named(…)."
        labels: list[str | None] = []
        for keyword, node in block.branches:
            if keyword is not None and isinstance(node, str):
                self.step(node, keyword)  # an unknown name may be a misspelt option
            label, fixed = (keyword, True) if keyword else self.proposed(node)
            labels.append(names.fix(label, self.where, hint) if fixed else None)
        branches = {}
        for given, (_, node) in zip(labels, block.branches, strict=True):
            label = given or names.free(self.proposed(node)[0])
            branches[label] = self.chain(node, f"{path}/{label}", item=item)
        merge = block.merge
        if not isinstance(merge, str):
            merge = bind_callable(self.cls, merge)
        return Parallel(path, name, branches, merge, block.on_error)

    def foreach(self, block: ForeachBlock, path: str, name: str, item: bool) -> Foreach:
        return Foreach(
            path,
            name,
            bind_key_or_callable(self.cls, block.items),
            self.chain(block.do, f"{path}/do", item=True),
            block.concurrency,
            block.on_error,
            block.collect_as,
            block.batch_size,
            block.max_failures,
        )

    def repeat(self, block: RepeatBlock, path: str, name: str, item: bool) -> Repeat:
        body = self.chain(block.do, f"{path}/do", item=item)
        until = bind_key_or_callable(self.cls, block.until)
        return Repeat(path, name, body, until, block.max_iterations)

    def catch(self, block: CatchBlock, path: str, name: str, item: bool) -> Catch:
        body = self.chain(block.node, f"{path}/do", item=item)
        names = LevelNames({"do"})
        handlers = []
        for error, node in block.handlers:
            text = error if isinstance(error, str) else error.__name__
            label = names.free(text.replace("/", "-"))
            handlers.append(Handler(label, error, self.chain(node, f"{path}/{label}", item=item)))
        return Catch(path, name, body, tuple(handlers), block.into)
