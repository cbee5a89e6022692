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
from durable.engine.ends.release import block_for_child, hold, let_go
from durable.engine.row import journal, position
from durable.engine.row.held import Claim, Identity, next_completed_at
from durable.engine.row.position import KEPT_BYTES, ROLLBACK, Walk
from durable.engine.row.settled import let_go_at, settled_by
from durable.engine.undo.remaining import children_in, class_of, leaf_of, to_undo
from durable.errors import NotSerializable
from durable.models import Execution, Role, StepRun
from durable.states import Status, StepStatus
from durable.storage.failpoints import reach
from durable.storage.transaction import in_transaction

Found = Checkpoint | NotSerializable | None

# -- one look --------------------------------------------------------------------------------


def look(claim: Claim, definition: Definition) -> Found:
    """At ``~``: take up the next step to undo, or end the rollback.

    Returns the checkpoint that leads into a catch's handler, or why there can't be one;
    otherwise the claim stands at the compensation (``claim.path`` says so) or has been released.
    """
    at, found = _look(claim, definition)
    claim.status, claim.path, claim.journaled = at.status, at.path, at.journaled
    claim.attempt, claim.attempt_floor = at.attempt, at.attempt_floor
    claim.recoveries = at.recoveries
    return found


def _looked_before(claim: Claim, definition: Definition) -> tuple[Claim, Found] | None:
    """Where a look has brought the claim that is committed already."""
    if let_go_at(claim) is not None:
        return claim, None
    held = Execution.objects.held_by(claim.execution_id, claim.fence)
    moved = held.filter(path__startswith=ROLLBACK).exclude(path=claim.path)
    row = moved.values("status", "path", "journaled", "attempt", "attempt_floor").first()
    return None if row is None else (replace(claim, recoveries=0, **row), None)


@settled_by(_looked_before)
@in_transaction
def _look(claim: Claim, definition: Definition) -> tuple[Claim, Found]:
    claim = replace(claim)  # a try that is rolled back has moved nothing
    hold(claim)
    found = _what_is_next(claim, definition)
    reach("rollback.before_commit")
    return claim, found


def _what_is_next(claim: Claim, definition: Definition) -> Found:
    why = claim.frames[ROLLBACK]
    if children_in(claim.execution_id, why).unfinished().exists():
        let_go(claim, Status.WAITING)
        return None
    found = next(to_undo(claim.execution_id, why), None) if why["undo"] else None
    if found is not None and class_of(found) is None:
        block_for_child(claim, found.execution.kind)
        return None
    if found is not None:
        _take_up(claim, found, why)
        return None
    if why["scope"]:
        try:
            return _into_handler(claim, definition, why)
        except NotSerializable as error:
            return error
    _conclude(claim, why)
    if claim.role == Role.ITEM and why["error"] is not None:
        after_failed_item(claim, definition)
    return None


def _take_up(claim: Claim, run: StepRun, why: dict[str, Any]) -> None:
    before = StepRun.objects.filter(
        execution=run.execution_id, path=run.path, visit=run.visit, compensation=True
    ).count()
    rows = claim.row()
    if not why["scope"] and claim.status == Status.RUNNING:
        rows.move(Status.COMPENSATING)
        claim.status = Status.COMPENSATING
    path = f"{ROLLBACK}{run.pk}"
    if before:  # it was begun before, and goes on with what it knows
        journal.reopen(claim.execution_id, path, claim.visit)
    rows.update(
        path=path,
        attempt=before + 1,
        attempt_floor=before,
        visit=claim.visit,
        journaled=bool(before),
        recoveries=0,
    )
    claim.path, claim.attempt, claim.attempt_floor = path, before + 1, before
    claim.journaled, claim.recoveries = bool(before), 0


def leave_catch(claim: Claim, definition: Definition) -> None:
    """Stand at a catch whose inside is undone, as if it were a step that fails."""
    scope = claim.frames[ROLLBACK]["scope"]
    node = definition.tree.find(scope)
    assert isinstance(node, Catch)
    inside = (ROLLBACK, scope)
    frames = {
        path: frame
        for path, frame in claim.frames.items()
        if path not in inside and not path.startswith(f"{node.body.path}/")
    }
    claim.row().update(path=scope, frames=position.encode(frames))
    claim.path, claim.frames = scope, frames


def _into_handler(claim: Claim, definition: Definition, why: dict[str, Any]) -> Checkpoint:
    node = definition.tree.find(why["scope"])
    assert isinstance(node, Catch)
    handler = next(h for h in node.handlers if h.label == why["handler"])
    frames = {path: f for path, f in claim.frames.items() if path != ROLLBACK}
    data = codec.loads(frames.pop(node.path)["data"])
    keep = claim.role in (Role.BRANCH, Role.ITEM)
    before = data if isinstance(data, dict) else {}  # an item that is collected may have any value
    text = codec.dump_data({**before, node.into: why["error"]}, keep_increments=keep)
    frames = {p: f for p, f in frames.items() if not p.startswith(f"{node.body.path}/")}
    path, inner = position.start_of(handler.body, text)
    walk = Walk(definition.tree, None, tuple, text, path, claim.visit, {**frames, **inner})
    return Checkpoint(
        execution_id=claim.execution_id,
        fence=claim.fence,
        data=text,
        path=walk.path,
        visit=walk.visit,
        was=claim.path,
        was_visit=claim.visit,
        frames=position.encode(walk.frames),
        at=next_completed_at(claim),
        attempt=None,
        root_id=claim.root_id,
        role=claim.role,
    )


def _conclude(claim: Claim, why: dict[str, Any]) -> None:
    """Everything is undone that can be: the final status."""
    rows = claim.row()
    cancelled = why["error"] is None
    if not (why["undone"] or why["failed"]) and not (cancelled and why["undo"]):
        target = Status.CANCELLED if cancelled else Status.FAILED
    else:
        if claim.status != Status.COMPENSATING:
            rows.move(Status.COMPENSATING)
        target = Status.COMPENSATION_FAILED if why["failed"] else Status.COMPENSATED
    changes: dict[str, Any] = {"error": why["error"]}
    if target == Status.FAILED:
        frames = {path: frame for path, frame in claim.frames.items() if path != ROLLBACK}
        changes |= {
            "path": why["path"],
            "attempt": why["attempt"],
            "attempt_floor": why["floor"],
            "frames": position.encode(frames),
        }
    if claim.role in (Role.BRANCH, Role.ITEM):
        changes["outcome"] = why["classes"]
    finish(rows, target, **changes)


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
        error: Mapping[str, Any] | None = self.claim.frames[ROLLBACK]["error"]
        return error

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
        why = claim.frames[ROLLBACK]
        frames = {**claim.frames, ROLLBACK: {**why, "undone": why["undone"] + 1}}
        return Checkpoint(
            execution_id=claim.execution_id,
            fence=claim.fence,
            data=claim.data,
            path=ROLLBACK,
            visit=claim.visit,
            was=claim.path,
            was_visit=claim.visit,
            frames=position.encode(frames),
            at=next_completed_at(claim),
            attempt=None,
            journaled=claim.journaled,
            root_id=claim.root_id,
            role=claim.role,
        )


def lacking(claim: Claim) -> str | None:
    """The workflow that this process lacks, of the step that is undone at the claim's position."""
    run = _run_at(claim)
    return run.execution.kind if class_of(run) is None else None


def _run_at(claim: Claim) -> StepRun:
    return StepRun.objects.select_related("execution").get(pk=claim.path[len(ROLLBACK) :])


def undo_at(claim: Claim) -> Undo | None:
    """The compensation at the claim's position; ``None`` if its code is not here."""
    run = _run_at(claim)
    leaf = leaf_of(run)
    return None if leaf is None or leaf.step.compensation is None else Undo(claim, run)


def pass_over(claim: Claim) -> dict[str, Any]:
    """A compensation failed for good: the changes that go on to the next."""
    why = claim.frames[ROLLBACK]
    failed = [*why["failed"], claim.path[len(ROLLBACK) :]]
    return {
        "path": ROLLBACK,
        "attempt": 1,
        "attempt_floor": 0,
        "recoveries": 0,
        "journaled": False,
        "frames": position.encode({**claim.frames, ROLLBACK: {**why, "failed": failed}}),
    }
