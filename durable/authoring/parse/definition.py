"""``Definition``: a validated workflow class, and all that the engine reads of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from durable.authoring.nodes.steps import Step
from durable.authoring.nodes.tree import Tree
from durable.authoring.parse.build import build_tree
from durable.authoring.parse.collect import collect_steps
from durable.authoring.parse.options import Options

if TYPE_CHECKING:
    from durable.authoring.workflow import Workflow

BLOCKS = frozenset({"parallel", "foreach", "repeat", "catch"})


@dataclass(frozen=True, eq=False)
class Definition:
    """One version of one workflow.

    ``steps`` are resolved (class defaults applied), by name, inherited ones first; ``uses`` lists
    the features used beyond plain steps, branches and waits, out of ``parallel foreach repeat
    catch compensation call_workflow schedules triggers on_failure``.
    """

    cls: type[Workflow]
    name: str
    version: int
    options: Options
    steps: dict[str, Step[..., Any]]
    tree: Tree
    uses: frozenset[str]

    @property
    def kind(self) -> str:
        """``name@version``: a worker needs this code to claim the executions."""
        return f"{self.name}@{self.version}"


def define(cls: type[Workflow], options: Options) -> Definition:
    """Validate a class that isn't abstract, and return its definition."""
    steps = collect_steps(cls, retry=options.retry, atomic=options.atomic)
    tree = build_tree(cls, cls.flow, steps)
    return Definition(
        cls=cls,
        name=options.name,
        version=options.version,
        options=options,
        steps={step.name: step for step in steps.values()},
        tree=tree,
        uses=frozenset(_used(tree, options)),
    )


def _used(tree: Tree, options: Options) -> set[str]:
    kinds = {node.kind for node in tree.nodes.values()}
    uses = set(kinds & BLOCKS)
    if any(leaf.step.compensation for leaf in tree.leaves()):
        uses.add("compensation")
    if "workflow" in kinds:
        uses.add("call_workflow")
    if options.on_failure != "compensate":
        uses.add("on_failure")
    return uses | {name for name in ("schedules", "triggers") if getattr(options, name)}
