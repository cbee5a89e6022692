"""Group commit: one thread writes the checkpoints and parks of all slots, many in one commit."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from durable.engine.ends import checkpoint as checkpoints
from durable.engine.ends import direct, parks
from durable.engine.ends.checkpoint import Accepted, Checkpoint
from durable.engine.ends.parks import Park, Shared
from durable.worker.connections import refresh_connections, release_connections, return_to_pool

logger = logging.getLogger("durable.worker")

AT_ONCE = 64

T = TypeVar("T", Checkpoint, Park)


class _Reply(NamedTuple):
    """The result of a shared commit; ``None`` means a lost fence, a lock, or more to do."""

    taken: Accepted | bool | None
    in_doubt: bool = False


_Item = tuple[Checkpoint | Park, "Future[_Reply]"]


class Committer:
    """Group commit: each slot waits for its own write, the database sees few commits.

    The thread waits neither for locked rows nor for an unavailable database: such a write goes
    back to its slot, which does it on its own connection.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="durable-committer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is queued, then end."""
        self._queue.put(None)
        self._thread.join(timeout=10)

    def commit(self, checkpoint: Checkpoint) -> Accepted | None:
        """Write one checkpoint durably; ``None`` if its fence is lost."""
        reply = self._shared(checkpoint)
        if isinstance(reply.taken, Accepted):
            return reply.taken
        return direct.commit(checkpoint, in_doubt=reply.in_doubt)

    def park(self, one: Park) -> Shared:
        """Park one execution durably; if it is not parked, its slot has to do it."""
        reply = self._shared(one)
        return Shared(bool(reply.taken), reply.in_doubt)

    def _shared(self, write: Checkpoint | Park) -> _Reply:
        future: Future[_Reply] = Future()
        self._queue.put((write, future))
        return future.result()

    def _run(self) -> None:
        last = False
        while not last and (item := self._queue.get()) is not None:
            batch, size = [item], item[0].size
            while len(batch) < AT_ONCE and size < checkpoints.ENOUGH and not last:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                else:
                    batch.append(more)
                    size += more[0].size
            self._write(batch)
        release_connections()

    def _write(self, batch: list[_Item]) -> None:
        advancing = [(one, to) for one, to in batch if isinstance(one, Checkpoint)]
        parking = [(one, to) for one, to in batch if isinstance(one, Park)]
        self._answer(advancing, lambda several: checkpoints.write(several, skip_locked=True))
        self._answer(parking, lambda several: dict.fromkeys(parks.write(several), True))

    def _answer(
        self,
        batch: Sequence[tuple[T, Future[_Reply]]],
        write: Callable[[Sequence[T]], dict[UUID, Any]],
    ) -> None:
        """Write one kind in one commit, and tell each slot."""
        if not batch:
            return
        taken: dict[UUID, Any] = {}
        in_doubt = False
        try:
            refresh_connections()
            taken.update(write([one for one, _ in batch]))
        except BaseException as error:  # one write or the connection: each slot does its own
            in_doubt = True
            logger.info("a batch of %d writes is done singly: %s", len(batch), error)
        return_to_pool()
        for one, future in batch:
            future.set_result(_Reply(taken.get(one.execution_id), in_doubt))
