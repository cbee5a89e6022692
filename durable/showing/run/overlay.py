"""Lay a run over the drawing of its flow: the state of each node, and the ways taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from durable.authoring.nodes.graph import OTHERWISE
from durable.authoring.nodes.tree import (
    Branch,
    Catch,
    Chain,
    Foreach,
    Leaf,
    Node,
    Parallel,
    Repeat,
    Tree,
)
from durable.authoring.parse import registry
from durable.drawing.overlay import NodeState, NodeStatus, Overlay, Progress
from durable.models import Execution, Role
from durable.showing.run import facts, states
from durable.showing.run.crowd import CrowdWalk
from durable.showing.run.facts import Lane
from durable.showing.run.items import Crowd
from durable.states import Status


def tree_of_run(execution: Execution) -> Tree | None:
    """The flow that an execution runs; ``None`` if its code is not in this process."""
    cls = registry.get(execution.workflow, execution.version)
    return cls.definition.tree if cls is not None else None


def run_overlay(execution: Execution, tree: Tree) -> Overlay:
    """The states of all nodes of ``tree`` in a run of it, in a bounded number of queries.

    For a branch or an item: the states of its own part of the flow.
    """
    body = _body_of(execution, tree)
    known = facts.read(execution, body)
    lane = known.lane
    walking = _Walk(tree, known.crowd)
    walking.chain(body, lane, not lane.row.path, lane.over)
    status = str(lane.status.label).lower()
    return Overlay(
        states=walking.states,
        ways=frozenset(walking.ways),
        title=_("Run %(id)s, %(status)s") % {"id": lane.row.pk, "status": status},
        begun=lane.begun,
        completed=lane.status == Status.COMPLETED,
        over=lane.over,
    )


def _body_of(execution: Execution, tree: Tree) -> Chain:
    block = tree.find(execution.parent_path)
    if execution.role == Role.BRANCH and isinstance(block, Parallel):
        return block.branches.get(execution.branch, tree.root)
    if execution.role == Role.ITEM and isinstance(block, Foreach):
        return block.body
    return tree.root


class _Walk:
    """Walks the flow and turns facts into states, chain by chain.

    ``passed``: the lane has left the node. ``lost``: the lane will never come to it.
    """

    def __init__(self, tree: Tree, crowd: Crowd) -> None:
        self.tree = tree
        self.states: dict[str, NodeState] = {}
        self.ways: set[str] = set()
        self.crowd = CrowdWalk(crowd, self.states, self.ways)
        self.visits: dict[type[Node], Callable[[Any, Lane, bool, bool], None]] = {
            Leaf: self.leaf,
            Branch: self.branch,
            Parallel: self.parallel,
            Foreach: self.foreach,
            Repeat: self.repeat,
            Catch: self.catch,
        }

    def chain(self, chain: Chain, lane: Lane, passed: bool, lost: bool) -> None:
        """The nodes of a chain, from the last: a lane at a node has passed all nodes before."""
        if chain.path and chain.path in lane.touched and lane.begun:
            self.ways.add(chain.path)
        if lane.within(chain.path):
            passed = False
        first = next((at for at, n in enumerate(chain.nodes) if n.path in lane.touched), 0)
        for at, node in reversed(list(enumerate(chain.nodes))):
            before = lane.row.rerun_of_id is not None and at < first  # a rerun began after it
            self.visits[type(node)](node, lane, passed and not before, lost or before)
            passed = passed or node.path in lane.touched

    # -- nodes -------------------------------------------------------------------------------

    def leaf(self, node: Leaf, lane: Lane, passed: bool, lost: bool) -> None:
        run = lane.runs.get(node.path)
        if lane.undoing == node.path:
            state = NodeState("running", detail=_("being undone"), here=True)
        elif lane.stands_at == node.path:
            state = states.standing(lane, run, node.name)
        elif run is not None:
            state = states.of_run(run)
        else:
            state = states.unvisited(passed or lost)
        self.states[node.path] = state

    def branch(self, node: Branch, lane: Lane, passed: bool, lost: bool) -> None:
        bodies = [case.body for case in node.cases]
        bodies += [node.default] if node.default is not None else []
        chosen = [body.path for body in bodies if body.path in lane.touched]
        if not chosen and passed:
            chosen = _silent_choice(node)
            self.ways.update(way for way in chosen if lane.begun)
        decided = bool(chosen) or passed
        if lane.stands_at == node.path:
            state = states.standing(lane)
        else:
            state = NodeState("done") if decided and lane.begun else states.unvisited(lost)
        self.states[node.path] = state
        lost_ways = lost or (decided and not self.again(node, lane))
        for body in bodies:
            taken = body.path in chosen
            self.chain(body, lane, passed and taken, lost if taken else lost_ways)

    def parallel(self, node: Parallel, lane: Lane, passed: bool, lost: bool) -> None:
        branches = lane.branches.get(node.path, {})
        ends = [branch.status for branch in branches.values()]
        done, failed = ends.count(Status.COMPLETED), ends.count(Status.FAILED)
        progress = Progress(done, len(branches), failed) if branches else None
        if lane.stands_at == node.path:
            state = states.around(lane, progress, opened=bool(branches))
        elif branches:
            state = NodeState(self.left(node, lane, passed, progress), progress=progress)
        else:
            state = states.unvisited(passed or lost)
        self.states[node.path] = state
        for label, body in node.branches.items():
            branch = branches.get(label)
            if branch is None:
                self.chain(body, lane, False, lost or passed)
            else:
                self.chain(body, branch, not branch.row.path, branch.over)

    def foreach(self, node: Foreach, lane: Lane, passed: bool, lost: bool) -> None:
        opened = node.path in lane.items
        progress = self.crowd.progress(node) if opened else None
        if lane.stands_at == node.path:
            state = states.around(lane, progress, opened=opened)
        elif opened:
            state = NodeState(self.left(node, lane, passed, progress), progress=progress)
        elif passed:
            state = NodeState("done", detail=_("no items"))
        else:
            state = states.unvisited(lost)
        self.states[node.path] = state
        if opened:
            self.crowd.items(node)
        else:
            self.chain(node.body, lane, False, lost or passed)

    def repeat(self, node: Repeat, lane: Lane, passed: bool, lost: bool) -> None:
        runs = [lane.runs.get(child.path) for child in node.body.nodes]
        rounds = max([run.rounds for run in runs if run is not None], default=0)
        if lane.stands_at == node.path:
            state = states.standing(lane)
        elif lane.within(node.path):
            round = (lane.row.frames or {}).get(node.path, {}).get("round", 1)
            state = states.around(lane, None, detail=_("round %(n)d") % {"n": round})
        elif node.path in lane.touched:
            state = NodeState(self.left(node, lane, passed), rounds=max(rounds, 1))
        else:
            state = states.unvisited(passed or lost)
        self.states[node.path] = state
        self.chain(node.body, lane, passed, lost)

    def catch(self, node: Catch, lane: Lane, passed: bool, lost: bool) -> None:
        taken = [one for one in node.handlers if one.body.path in lane.touched]
        caught = ", ".join(handler.label for handler in taken)
        detail = _("caught %(errors)s") % {"errors": caught} if caught else ""
        why = lane.rollback
        undoing = why is not None and why.scope == node.path
        if why is not None and undoing:
            detail = _("undoing, then %(handler)s") % {"handler": why.handler}
            state = NodeState("running", detail=detail, here=True)
        elif lane.within(node.path):
            state = states.around(lane, None, detail=detail)
        elif node.path in lane.touched:
            state = NodeState(self.left(node, lane, passed), detail=detail)
        else:
            state = states.unvisited(passed or lost)
        self.states[node.path] = state
        again = self.again(node, lane)
        left = undoing or (bool(taken) and not again)
        self.chain(node.body, lane, passed and not taken, lost or left)
        for handler in node.handlers:
            other = handler not in taken and (passed or bool(taken)) and not again
            self.chain(handler.body, lane, passed and handler in taken, lost or other)

    def left(
        self, node: Node, lane: Lane, passed: bool, progress: Progress | None = None
    ) -> NodeStatus:
        """The end state of a block that the lane has left."""
        done = progress is not None and progress.done == progress.total
        well = progress is None or not progress.failed
        if passed or done or (well and self.again(node, lane)):
            return "done"
        return states.broken_off(lane)

    def again(self, node: Node, lane: Lane) -> bool:
        """Whether a further round of a loop may bring the lane here."""
        if lane.over or lane.within(node.path):
            return False
        parent = self.tree.parent(node.path)
        while parent is not None and not parent.has_parts:
            if isinstance(parent, Repeat) and lane.within(parent.path):
                return True
            parent = self.tree.parent(parent.path)
        return False


def _silent_choice(node: Branch) -> list[str]:
    """The only way of a branch that leaves no record; none if several ways leave none."""
    ways = [body.path for body in node.children() if _leaves_no_trace(body)]
    if node.default is None:
        ways.append(node.path + OTHERWISE)
    return ways if len(ways) == 1 else []


def _leaves_no_trace(node: Node) -> bool:
    """Whether a lane passes this part without a record: foreachs without items, unmatched cases."""
    match node:
        case Foreach():
            return True
        case Leaf() | Parallel():
            return False
        case Branch() if node.default is None:
            return True
        case Branch():
            return any(map(_leaves_no_trace, node.children()))
        case Catch():
            return _leaves_no_trace(node.body)
    return all(map(_leaves_no_trace, node.children()))
