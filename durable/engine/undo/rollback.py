"""Undo completed steps, newest first: of a whole execution, or of the inside of a ``catch``.

An execution that rolls back stands at ``~`` (looking for the next step to undo) or at
``~<id of the step run>`` (running its compensation). What it does it for is in the frame ``~``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from uuid import UUID

from durable import codec
from durable.authoring import registry
from durable.authoring.tree import Catch, Foreach, Leaf
from durable.authoring.workflow import Definition
from durable.engine.ends import turns
from durable.engine.ends.checkpoint import Checkpoint
from durable.engine.ends.finish import finish
from durable.engine.ends.release import block_for_child, hold, park
from durable.engine.row import journal
from durable.engine.row.held import Claim, Identity
from durable.engine.row.position import COLUMNS, Position
from durable.engine.row.settled import let_go, settled_by
from durable.engine.row.undoing import Rollback
from durable.engine.row.walk import KEPT_BYTES, start_of
from durable.engine.undo.remaining import children_in, class_of, leaf_of, to_undo
from durable.errors import NotSerializable
from durable.models import Execution, Role, StepRun
from durable.states import ROLLBACK, Status, StepStatus
from durable.storage.failpoints import reach
from durable.storage.transaction import in_transaction

Found = Checkpoint | NotSerializable | None

# -- one look --------------------------------------------------------------------------------


def look(claim: Claim, definition: Definition) -> Found:
    """At ``~``: take up the next step to undo, or end the rollback.

    Returns the checkpoint that leads into a catch's handler, or why there can't be one;
    otherwise the claim stands at the compensation (``claim.at.path`` says so) or has been released.
    """
    seen, found = _look(claim, definition)
    claim.status, claim.at = seen.status, seen.at
    return found


def _looked_before(claim: Claim, definition: Definition) -> tuple[tuple[Claim, Found]] | None:
    """Where a look has brought the claim that is committed already."""
    if let_go(claim):
        return ((claim, None),)
    held = Execution.objects.held_by(claim.execution_id, claim.fence)
    moved = held.filter(path__startswith=ROLLBACK).exclude(path=claim.at.path)
    row = moved.values_list("status", *COLUMNS).first()
    if row is None:
        return None
    return ((replace(claim, status=row[0], at=Position.read(row[1:])), None),)


@settled_by(_looked_before)
@in_transaction
def _look(claim: Claim, definition: Definition) -> tuple[Claim, Found]:
    claim = replace(claim)  # a try that is rolled back has moved nothing
    turns.count_alone(claim)
    hold(claim)
    found = _what_is_next(claim, definition)
    reach("rollback.before_commit")
    return claim, found


def _what_is_next(claim: Claim, definition: Definition) -> Found:
    why = claim.at.rollback
    assert why is not None
    if children_in(claim.execution_id, why).unfinished().exists():
        park(claim)
        return None
    found = next(to_undo(claim.execution_id, why), None) if why.undo else None
    if found is not None and class_of(found) is None:
        block_for_child(claim, found.execution.kind)
        return None
    if found is not None:
        _take_up(claim, found, why)
        return None
    if why.scope:
        try:
            return _into_handler(claim, definition, why)
        except NotSerializable as error:
            return error
    _conclude(claim, why)
    if claim.role == Role.ITEM and why.error is not None:
        after_failed_item(claim, definition)
    return None


def _take_up(claim: Claim, run: StepRun, why: Rollback) -> None:
    before = StepRun.objects.filter(
        execution=run.execution_id, path=run.path, visit=run.visit, compensation=True
    ).count()
    if not why.scope:
        _begin(claim, why)
    at = claim.at.compensating(run.pk, before)
    if before:  # it was begun before, and goes on with what it knows
        journal.reopen(claim.execution_id, at.path, at.visit)
    claim.row().stand_at(**at.since(claim.at))
    claim.at = at


def _begin(claim: Claim, why: Rollback) -> None:
    """From the first step that is undone on, the status says so."""
    if not claim.is_compensating:
        claim.row().rolling(why.error, held=True)
        claim.status = Status.COMPENSATING


def leave_catch(claim: Claim, definition: Definition) -> None:
    """Stand at a catch whose inside is undone, as if it were a step that fails."""
    assert claim.at.rollback is not None
    scope = claim.at.rollback.scope
    at = replace(claim.at, path=scope, frames=claim.at.outside(scope))
    claim.row().stand_at(**at.since(claim.at))
    claim.at = at


def _into_handler(claim: Claim, definition: Definition, why: Rollback) -> Checkpoint:
    node = definition.tree.find(why.scope)
    assert isinstance(node, Catch)
    handler = next(h for h in node.handlers if h.label == why.handler)
    data = codec.loads(claim.at.frames[node.path]["data"])
    keep = claim.role in (Role.BRANCH, Role.ITEM)
    before = data if isinstance(data, dict) else {}  # an item that is collected may have any value
    text = codec.dump_data({**before, node.into: why.error}, keep_increments=keep)
    path, inner = start_of(handler.body, text)
    frames = {**claim.at.outside(node.path), **inner}
    return Checkpoint.of(claim, text, Position(path, claim.at.visit, frames=frames))


def _conclude(claim: Claim, why: Rollback) -> None:
    """Everything is undone that can be: the final status."""
    beside: dict[str, Any] = {}
    if why.end == Status.FAILED:  # as if there had been no rollback: a retry goes on from there
        at = Position(
            why.path,
            claim.at.visit,
            why.attempt,
            why.floor,
            journaled=True,  # perhaps: a retry looks
            frames=claim.at.outside(),
        )
        beside |= at.columns()
    elif why.end != Status.CANCELLED:
        _begin(claim, why)
    if claim.role in (Role.BRANCH, Role.ITEM):
        beside["outcome"] = list(why.classes)
    finish(claim.row(), why.end, why.error, **beside)


def after_failed_item(claim: Claim, definition: Definition) -> None:
    """What the failure of an item means for those that have not had their turn."""
    block = claim.block
    node = definition.tree.find(claim.parent_path)
    assert block is not None
    if isinstance(node, Foreach):
        turns.after_failure(block, node, claim.execution_id, claim.heir, claim.base)


# -- a compensation as work -------------------------------------------------------------------


@dataclass
class Undo:
    """The compensation of one step run."""

    claim: Claim
    run: StepRun

    @cached_property
    def definition(self) -> Definition:
        """The workflow of the step (a child's, perhaps)."""
        cls = registry.get(self.run.execution.workflow, self.run.execution.version)
        assert cls is not None
        return cls.definition

    @cached_property
    def body(self) -> Any:
        """The compensation."""
        leaf = self.definition.tree.find(self.run.path)
        assert isinstance(leaf, Leaf)
        return leaf.step.compensation

    @property
    def identity(self) -> Identity:
        """The step's own place, as a compensation."""
        return Identity(self.run.execution_id, self.run.path, self.run.visit, True)

    @property
    def root_id(self) -> UUID:
        """The addressable execution whose step it was (a child, perhaps)."""
        root: UUID = self.run.execution.root_id
        return root

    @cached_property
    def data(self) -> str:
        """The data as it was when the step completed (or began, if nobody knows)."""
        value = self.run.output if self.run.status == StepStatus.COMPLETED else self.run.input
        return codec.dumps(value, limit=KEPT_BYTES)

    @property
    def error(self) -> Mapping[str, Any] | None:
        """What started the rollback."""
        assert self.claim.at.rollback is not None
        return self.claim.at.rollback.error

    @property
    def recorded_input(self) -> str:
        """The data."""
        return self.data

    def recorded_output(self, result: Any) -> str:
        """The result."""
        return codec.dumps(result, limit=KEPT_BYTES, keep_increments=True)

    def element(self) -> tuple[Any, ...]:
        """The item and index of the step."""
        if self.run.execution.role not in (Role.BRANCH, Role.ITEM) or not self.run.execution.input:
            return ()
        return self.run.execution.input["item"], self.run.execution.input["index"]

    def checkpoint(self, result: Any, instance: Any, choosing: Callable[[], None]) -> Checkpoint:
        """Back to looking for the next step to undo."""
        claim = self.claim
        assert claim.at.rollback is not None
        return Checkpoint.of(claim, claim.data, claim.at.to_undo(claim.at.rollback.one_undone()))


def lacking(claim: Claim) -> str | None:
    """The workflow that this process lacks, of the step that is undone at the claim's position."""
    run = _run_at(claim)
    return run.execution.kind if class_of(run) is None else None


def _run_at(claim: Claim) -> StepRun:
    return StepRun.objects.select_related("execution").get(pk=claim.at.undone_run)


def undo_at(claim: Claim) -> Undo | None:
    """The compensation at the claim's position; ``None`` if its code is not here."""
    run = _run_at(claim)
    leaf = leaf_of(run)
    return None if leaf is None or leaf.step.compensation is None else Undo(claim, run)
