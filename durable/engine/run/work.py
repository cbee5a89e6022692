"""A step of the flow as work: its body's arguments, and the checkpoint to its next position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from durable import codec
from durable.authoring.nodes.steps import Method
from durable.authoring.nodes.tree import Foreach, Node
from durable.authoring.self.typed import bind
from durable.authoring.workflow import Definition
from durable.engine.ends.checkpoint import Checkpoint
from durable.engine.ends.turns import is_sequence, stop_if_too_large
from durable.engine.parts.bases import base_of
from durable.engine.row import merge
from durable.engine.row.held import Claim, Identity
from durable.engine.row.position import Position
from durable.engine.row.walk import KEPT_BYTES, ChoiceFailed, Walk
from durable.engine.undo.work import Work
from durable.errors import InvalidStepResult, NotSerializable
from durable.models import PARTS


def call(body: Method[..., Any], instance: Any, data: Any, element: tuple[Any, ...]) -> Any:
    """Call a body with its data (and item) converted to the annotated types.

    Returns the body's result, and a function that converts it to data.
    """
    typed = bind(body.function)
    received = typed.data_in(data)
    if element:
        element = (typed.item_in(element[0]), *element[1:])
    returned = body.function(instance, received, *element)
    return returned, lambda value: typed.data_out(value, data, received)


class Forward(Work):
    """The work of a step of the flow."""

    _changed: merge.Changes | None = None  # the changes of an item, at its end
    _written: str | None = None  # the result as text, if the record stores the same

    def __init__(self, claim: Claim, definition: Definition, body: Any = None) -> None:
        here = Identity(claim.execution_id, claim.at.path, claim.at.visit)
        super().__init__(claim, definition, body, here, claim.root_id, claim.data)

    @property
    def recorded_input(self) -> str:
        """The data; inside a ``foreach`` only the item, as all items share the data."""
        return self.claim.element if self._repeats and self.claim.element else self.data

    def recorded_output(self, result: Any) -> str:
        """The result; inside a ``foreach`` only the keys that differ from the block's data."""
        if self._written is not None and not self._repeats:
            return self._written
        if self._repeats and isinstance(result, dict):
            changed = self._changed
            if changed is None:
                changed = merge.changes(self._base, result)
            result = {key: result[key] for key in changed if key in result}
        return super().recorded_output(result)

    @cached_property
    def _base(self) -> Any:
        return base_of(self.claim).value

    @property
    def _repeats(self) -> bool:
        """Whether the record may leave out the block's data: no compensation needs it there."""
        return isinstance(self.block, Foreach) and self.body.compensation is None

    def element(self) -> tuple[Any, ...]:
        """The item and its index, inside a ``foreach``."""
        return element_of(self.claim)

    @cached_property
    def block(self) -> Node | None:
        """The block of which the claim is a branch or item."""
        if self.claim.role not in PARTS:
            return None
        return self.definition.tree.find(self.claim.parent_path)

    @property
    def in_sequence(self) -> bool:
        """Whether the claim is an item that passes its data on to the next."""
        return is_sequence(self.block)

    def checkpoint(self, result: Any, instance: Any, choosing: Callable[[], None]) -> Checkpoint:
        """The checkpoint with the result as data and the position after the step."""
        collects = isinstance(self.block, Foreach) and self.block.collect_as is not None
        try:
            if not isinstance(result, dict) and not collects:
                raise InvalidStepResult(
                    f"step {self.body.name!r} returned {type(result).__name__}; a step returns "
                    "the data (a dict with string keys), or None to pass on what it was given"
                )
            keep = self.block is not None
            text, increments = codec.write(result, keep_increments=keep)
        except NotSerializable as error:
            raise NotSerializable(error.path, error.reason, step=self.body.name) from None
        self._written = text if keep or not increments else None
        choosing()
        return self.leave(text, instance)

    def leave(self, text: str, instance: Any) -> Checkpoint:
        """The checkpoint behind the step (or block) at the claim's position, with data ``text``."""
        walk = walk_from(self.claim, self.definition, instance, text)
        with suppress(ChoiceFailed):  # the step is done; the choice is asked again there, and fails
            walk.leave(self.claim.at.path)
        return self.at(walk, text)

    def at(self, walk: Walk, text: str) -> Checkpoint:
        """The checkpoint that moves the claim to the walk's position."""
        claim = self.claim
        outcome: str | None = None
        if not walk.path and isinstance(self.block, Foreach):
            outcome = self._outcome(self.block, text)
        return Checkpoint.of(
            claim,
            text if outcome is None or self.in_sequence else None,
            Position(walk.path, walk.visit, frames=walk.frames),
            outcome=outcome,
            extras=self._look_at_size() if outcome is not None else (),
            block=claim.block,
            released=claim.released,
            heir=claim.heir,
        )

    def _look_at_size(self) -> Sequence[Callable[[], object]]:
        """Check the size of all results at items 1, 2, 4, 8, …: rarely, but early enough."""
        block = self.claim.block
        if block is None or not isinstance(self.block, Foreach) or self.block.collect_as is None:
            return ()
        _, index = self.element()
        return () if index & (index - 1) else (lambda: stop_if_too_large(block),)

    def _outcome(self, block: Foreach, text: str) -> str:
        """The outcome of an item: its value if the block collects values, else its changes."""
        if block.collect_as is not None:
            return text
        self._changed = made = merge.changes(self._base, codec.loads(text))
        return codec.dumps(made, path="changes", limit=KEPT_BYTES)


def element_of(claim: Claim) -> tuple[Any, ...]:
    """``(item, index)`` as a fresh copy, or nothing outside of a ``foreach``."""
    if claim.element is None:
        return ()
    stored = codec.loads(claim.element)
    return (stored["item"], stored["index"])


def walk_from(claim: Claim, definition: Definition, instance: Any, text: str) -> Walk:
    """A walk that begins at the claim's position."""
    return Walk(
        tree=definition.tree,
        instance=instance,
        arguments=lambda: (codec.loads(text), *element_of(claim)),
        data=text,
        path=claim.at.path,
        visit=claim.at.visit,
        frames={path: dict(frame) for path, frame in claim.at.frames.items()},
    )
