"""Run several items of a foreach in one claim, one after the other, with shared commits.

A finished item that needs no commit of its own is kept; kept items are written together at the
batch's end, or ``KEPT_FOR`` seconds after the first of them. An item that needs more (a wait, a
retry, a failure) leaves the batch: the kept items are written first, the unstarted ones given
back. They are also given back after ``HELD_FOR`` seconds, as other work needs the slot. After a
crash the items not yet written run again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from durable.authoring.nodes.tree import Foreach
from durable.engine.ends import checkpoint as checkpoints
from durable.engine.ends import direct, turns
from durable.engine.ends.checkpoint import Accepted, Checkpoint
from durable.engine.ends.release import give_back
from durable.engine.row.held import Claim, Heir
from durable.errors import ClaimLost
from durable.models import Execution
from durable.states import Status
from durable.storage.failpoints import reach
from durable.storage.reconnect import persistent
from durable.storage.transaction import in_transaction, lock

KEPT_FOR = 0.5  # seconds; longer steps are written one by one
HELD_FOR = 2.0  # seconds in which a batch begins items: other work needs the slot too


class Batch:
    """The items of one claim: finished ones kept for the next write, and those still to run."""

    def __init__(self, first: Claim, node: Foreach) -> None:
        assert first.block is not None
        self._block, self._node = first.block, node
        self._rest, first.rest = list(first.rest), ()
        self._first = first
        self._kept: list[tuple[Claim, Checkpoint]] = []
        self._since, self._size = 0.0, 0
        self._over = False
        self._begun = time.monotonic()

    def __iter__(self) -> Iterator[Claim]:
        """The items, one at a time; the batch may end before all have run."""
        self._first.heir = self._next()
        yield self._first
        while self._rest and not self._over and time.monotonic() - self._begun < HELD_FOR:
            if self._is_enough() and not self.write():
                break
            claim = self._rest.pop(0)
            claim.heir = self._next() if claim.released else None
            yield claim

    def keep(self, claim: Claim, checkpoint: Checkpoint) -> None:
        """Keep a finished item for the next write."""
        if not self._kept:
            self._since, self._size = time.monotonic(), 0
        self._size += checkpoint.size
        self._kept.append((claim, checkpoint))
        reach("batch.before_commit")

    def finished(self, claim: Claim, accepted: Accepted | None) -> None:
        """Note an item that was written by itself, and whose turn passed to the next item."""
        if accepted is None:
            return
        self._over = self._over or accepted.pause_requested or accepted.cancel_requested
        if claim.released and self._rest and not accepted.cancel_requested:
            self._rest[0].released = True

    def leave(self, claim: Claim) -> None:
        """Let ``claim`` go on by itself, with the turn, and end the batch.

        An item already finished, which failed only afterwards, does not need the turn.
        """
        if any(done is claim for done, _ in self._kept):
            self.end()
        else:
            self._write(claim)
            self._return_rest()
        claim.heir = None

    def end(self) -> None:
        """Give back the unstarted items, then write the kept ones; the next item gets a turn."""
        self._return_rest()
        self._write(None)

    def write(self) -> bool:
        """Write the kept items; False if no further item may begin."""
        if turns.is_stopped(self._block, self._node):
            self._over = True
            return False
        self._write(self._rest[0])
        return not self._over

    def _is_enough(self) -> bool:
        """Whether the kept items have waited long enough, or have grown large enough, to write."""
        if not self._kept:
            return False
        return self._size > checkpoints.ENOUGH or time.monotonic() - self._since > KEPT_FOR

    def _next(self) -> Heir | None:
        return Heir(self._rest[0].execution_id, self._rest[0].fence) if self._rest else None

    def _write(self, heir: Claim | None) -> None:
        """Write the kept items; if one of them has the turn, it passes to ``heir``."""
        kept, self._kept = self._kept, []
        if not kept:
            return
        to = Heir(heir.execution_id, heir.fence) if heir is not None else None
        batch = [
            replace(checkpoint, released=claim.released, heir=to if claim.released else None)
            for claim, checkpoint in kept
        ]
        if heir is not None and any(claim.released for claim, _ in kept):
            heir.released = True
        accepted = direct.commit_all(batch)
        reach("batch.after_commit")
        for claim, checkpoint in kept:
            asked = accepted.get(claim.execution_id)
            if asked is None:
                continue  # claim lost: its new holder runs the item again
            self._over = self._over or asked.pause_requested or asked.cancel_requested
            if asked.cancel_requested:
                claim.at = checkpoint.to
                with suppress(ClaimLost):  # the others are ours still
                    give_back(claim)

    def _return_rest(self) -> None:
        rest, self._rest = self._rest, []
        if rest:
            return_unstarted(rest, self._node)


@persistent
@in_transaction
def return_unstarted(claims: list[Claim], node: Foreach) -> None:
    """Give back batch items that the worker claimed but never started; they wait for a turn again.

    One that has a turn is ready at once. If the block has been stopped meanwhile, they are
    cancelled. Items no longer held are left alone: another worker has them, or this is a repetition
    after a COMMIT without an answer.
    """
    block = claims[0].block
    assert block is not None
    all_of_them = Execution.objects.filter(pk__in=[claim.execution_id for claim in claims])
    locked = lock(all_of_them.order_by("index"))  # the order of ``turns._await_batches``
    held = set(locked.values_list("pk", "fence", "worker"))
    claims = [c for c in claims if (c.execution_id, c.fence, c.worker) in held]
    stopped = turns.is_stopped(block, node)
    waiting = []
    for claim in claims:
        if claim.released and not stopped:
            give_back(claim)
        else:
            waiting.append(claim)
    if not waiting:
        return
    fences = {claim.execution_id: claim.fence for claim in waiting}
    rows = Execution.objects.filter(
        pk__in=list(fences),
        status=Status.RUNNING,
        worker=waiting[0].worker,
        cancel_requested_at__isnull=True,
    )
    found = lock(rows).values_list("pk", "fence", "released")
    ours = {pk: turn for pk, fence, turn in found if fences[pk] == fence}
    for turn in set(ours.values()):  # an item that gives up its turn is reported to the parent
        of_turn = rows.filter(pk__in=[pk for pk in ours if ours[pk] == turn])
        of_turn.turnless(unreported=turn)
    for claim in waiting:
        if claim.execution_id not in ours and claim.row().exists():  # asked to cancel
            give_back(claim)
    if stopped:
        turns.stop_turns(block)
