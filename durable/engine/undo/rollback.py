"""Undo completed steps, newest first: of a whole execution, or of the inside of a ``catch``.

An execution in a rollback stands at ``~`` (looking for the next step to undo) or at
``~<id of the step run>`` (running its compensation). The frame ``~`` holds the ``Rollback``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from durable import codec
from durable.authoring.nodes.tree import Catch, Foreach, Leaf
from durable.authoring.workflow import Definition
from durable.engine.ends import again, turns
from durable.engine.ends.checkpoint import Checkpoint
from durable.engine.ends.finish import finish
from durable.engine.ends.release import block_for_child, hold, park
from durable.engine.row import journal
from durable.engine.row.failures import lighter
from durable.engine.row.held import Claim, Identity
from durable.engine.row.position import COLUMNS, Position
from durable.engine.row.settled import let_go, settled_by
from durable.engine.row.undoing import Rollback, Undoable
from durable.engine.row.walk import KEPT_BYTES, start_of
from durable.engine.undo.remaining import PAGE, class_of, is_alive_below, leaf_of, to_undo
from durable.engine.undo.work import Work
from durable.errors import NotSerializable
from durable.models import PARTS, Execution, Role, StepRun
from durable.states import ROLLBACK, Status, StepStatus
from durable.storage.failpoints import reach
from durable.storage.statement import Statement
from durable.storage.transaction import in_transaction

Found = Checkpoint | NotSerializable | None

# -- one look --------------------------------------------------------------------------------


def look(claim: Claim, definition: Definition) -> Found:
    """At ``~``: move on to the next compensation, or end the rollback.

    Returns the checkpoint that leads into a catch's handler, or the error that prevents it;
    otherwise the claim stands at the compensation (``claim.at.path`` says so) or has been released.
    """
    seen, found = _look(claim, definition)
    claim.status, claim.at, claim.to_undo = seen.status, seen.at, seen.to_undo
    return found


def _looked_before(claim: Claim, definition: Definition) -> tuple[tuple[Claim, Found]] | None:
    """The claim after a look that is already committed; ``None`` if none is."""
    if let_go(claim):
        return ((claim, None),)
    held = Execution.objects.held_by(claim.execution_id, claim.fence)
    moved = held.filter(path__startswith=ROLLBACK).exclude(path=claim.at.path)
    row = moved.values_list("status", *COLUMNS).first()
    if row is None:
        return None
    return ((replace(claim, status=row[0], at=Position.read(row[1:]), to_undo=()), None),)


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
    """Find the next step to undo, or end the rollback; park while anything below is alive.

    Once a step is undone nothing below is alive, so the list of steps can no longer change. A page
    of them is read at once, as each query walks the whole tree.
    """
    why = claim.at.rollback
    assert why is not None
    if not claim.to_undo:
        if is_alive_below(claim.execution_id, why):
            park(claim)
            return None
        claim.to_undo = tuple(islice(to_undo(claim.execution_id, why), PAGE)) if why.undo else ()
    if claim.to_undo:
        found, *later = claim.to_undo
        claim.to_undo = tuple(later)
        if class_of(found.kind) is None:
            block_for_child(claim, found.kind)
        else:
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


_BEGUN = Statement(
    lambda execution, path, visit: StepRun.objects.filter(
        execution=execution, path=path, visit=visit, compensation=True
    ).values_list("pk")
)


def _take_up(claim: Claim, run: Undoable, why: Rollback) -> None:
    before = len(_BEGUN(execution=run.execution_id, path=run.path, visit=run.visit))
    if not why.scope:
        _begin(claim, why)
    at = claim.at.compensating(run.pk, before)
    if before:  # the compensation was begun before: it goes on with its records
        again.go_on(journal.reopen(claim.execution_id, at.path, at.visit))
    claim.row().stand_at(**at.since(claim.at))
    claim.at = at


def _begin(claim: Claim, why: Rollback) -> None:
    """Set the status ``compensating``, from the first undone step on."""
    if not claim.is_compensating:
        claim.row().rolling(why.stored_error, held=True)
        claim.status = Status.COMPENSATING


def leave_catch(claim: Claim, definition: Definition) -> None:
    """Move to a catch whose inside is undone, as if the catch were a failing step."""
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
    keep = claim.role in PARTS
    before = data if isinstance(data, dict) else {}  # an item that is collected may have any value
    text = _with_error(before, node.into, why, keep)
    path, inner = start_of(handler.body, text)
    frames = {**claim.at.outside(node.path), **inner}
    return Checkpoint.of(claim, text, Position(path, claim.at.visit, frames=frames))


def _with_error(before: dict[str, Any], into: str, why: Rollback, keep: bool) -> str:
    """The data for a handler, with as much of the error as fits; else ``NotSerializable``."""
    assert why.error is not None
    *more, least = lighter(why.error)
    for error in more:
        with suppress(NotSerializable):
            return codec.dump_data({**before, into: error}, keep_increments=keep)
    return codec.dump_data({**before, into: least}, keep_increments=keep)


def _conclude(claim: Claim, why: Rollback) -> None:
    """End the rollback: write the final status."""
    beside: dict[str, Any] = {}
    if why.end == Status.FAILED:  # as if there had been no rollback: a retry goes on from there
        here = (why.path, claim.at.visit, why.attempt, why.floor)
        at = Position(*here, journaled=True, frames=claim.at.outside())  # perhaps: a retry looks
        beside |= at.columns()
    elif why.end != Status.CANCELLED:
        _begin(claim, why)
    if claim.role != Role.ROOT:
        beside["outcome"] = list(why.classes)
    finish(claim.row(), why.end, why.stored_error, **beside)


def after_failed_item(claim: Claim, definition: Definition) -> None:
    """Hand on a failed item's turn, or cancel the waiting items if too many failed."""
    block = claim.block
    node = definition.tree.find(claim.parent_path)
    assert block is not None
    if isinstance(node, Foreach):
        turns.after_failure(block, node, claim.execution_id, claim.heir, claim.base)


# -- a compensation as work -------------------------------------------------------------------


class Done(NamedTuple):
    """The step run to undo, with columns of its execution, which may be a child."""

    kind: str
    root_id: UUID
    role: str
    given: Any  # the execution's input
    execution_id: UUID
    path: str
    visit: int
    status: str
    input: Any
    output: Any


_DONE = Statement(
    lambda pk: StepRun.objects.filter(pk=pk).values_list(
        *("execution__kind", "execution__root_id", "execution__role", "execution__input"),
        *Done._fields[4:],
    )
)


class Undo(Work):
    """The compensation of one step run."""

    def __init__(self, claim: Claim, run: Done, leaf: Leaf) -> None:
        cls, why = class_of(run.kind), claim.at.rollback
        assert cls is not None
        assert why is not None
        # the data after the step completed (or before it, if its outcome is unknown)
        value = run.output if run.status == StepStatus.COMPLETED else run.input
        super().__init__(
            claim,
            cls.definition,
            leaf.step.compensation,
            Identity(run.execution_id, run.path, run.visit, compensation=True),
            run.root_id,
            codec.dumps(value, limit=KEPT_BYTES),
            why.error,
        )
        self.run, self.why = run, why

    def element(self) -> tuple[Any, ...]:
        """The item and index of the step being undone; empty outside of a ``foreach``."""
        given = self.run.given if self.run.role in PARTS else None
        return (given["item"], given["index"]) if given else ()

    def checkpoint(self, result: Any, instance: Any, choosing: Callable[[], None]) -> Checkpoint:
        """The checkpoint back to ``~``, which looks for the next step to undo."""
        to = self.claim.at.to_undo(self.why.one_undone())
        return Checkpoint.of(self.claim, self.claim.data, to)


def lacking(claim: Claim) -> str | None:
    """The workflow of the step being undone, if this process lacks it; else ``None``."""
    run = _run_at(claim)
    return run.kind if class_of(run.kind) is None else None


def _run_at(claim: Claim) -> Done:
    (found,) = _DONE(pk=UUID(claim.at.undone_run))
    return Done._make(found)


def undo_at(claim: Claim) -> Undo | None:
    """The compensation at the claim's position; ``None`` if this process lacks its code."""
    run = _run_at(claim)
    leaf = leaf_of(run.kind, run.path)
    return None if leaf is None or leaf.step.compensation is None else Undo(claim, run, leaf)
