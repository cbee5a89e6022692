"""Group commit: one thread writes the checkpoints and parks of all slots, many in one commit."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from durable.engine.ends import checkpoint as checkpoints
from durable.engine.ends import direct, parks
from durable.engine.ends.checkpoint import Accepted, Checkpoint
from durable.engine.ends.parks import Park, Shared
from durable.worker.arrival import connect_ahead
from durable.worker.connections import refresh_connections, release_connections, return_to_pool

logger = logging.getLogger("durable.worker")

AT_ONCE = 64


class _Reply(NamedTuple):
    """The result of a shared commit; ``None`` means a lost fence, a lock, or more to do."""

    taken: Accepted | bool | None
    in_doubt: bool = False


class _Write:
    """A write of a slot, which waits for the reply: a bare lock costs a tenth of a ``Future``."""

    __slots__ = ("_answered", "_reply", "one")

    def __init__(self, one: Checkpoint | Park) -> None:
        self.one = one
        self._reply = _Reply(None, in_doubt=True)
        self._answered = threading.Lock()
        self._answered.acquire()

    def wait(self) -> _Reply:
        """The reply, once it is there."""
        self._answered.acquire()
        return self._reply

    def answer(self, reply: _Reply) -> None:
        """Let the slot go on."""
        self._reply = reply
        self._answered.release()


class Committer:
    """Group commit: each slot waits for its own write, the database sees few commits.

    The thread waits neither for locked rows nor for an unavailable database: such a write goes
    back to its slot, which does it on its own connection.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
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
        waiting = _Write(write)
        self._queue.put(waiting)
        return waiting.wait()

    def _run(self) -> None:
        connect_ahead()
        last = False
        while not last and (item := self._queue.get()) is not None:
            batch, size = [item], item.one.size
            while len(batch) < AT_ONCE and size < checkpoints.ENOUGH and not last:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                else:
                    batch.append(more)
                    size += more.one.size
            self._write(batch)
        release_connections()

    def _write(self, batch: list[_Write]) -> None:
        advancing = [write for write in batch if isinstance(write.one, Checkpoint)]
        parking = [write for write in batch if isinstance(write.one, Park)]
        self._answer(advancing, lambda several: checkpoints.write(several, skip_locked=True))
        self._answer(parking, lambda several: dict.fromkeys(parks.write(several), True))

    def _answer(
        self,
        batch: Sequence[_Write],
        write: Callable[[list[Any]], dict[UUID, Any]],
    ) -> None:
        """Write one kind in one commit, and tell each slot."""
        if not batch:
            return
        taken: dict[UUID, Any] = {}
        in_doubt = False
        try:
            refresh_connections()
            taken.update(write([waiting.one for waiting in batch]))
        except BaseException as error:  # one write or the connection: each slot does its own
            in_doubt = True
            logger.info("a batch of %d writes is done singly: %s", len(batch), error)
        return_to_pool()
        for waiting in batch:
            waiting.answer(_Reply(taken.get(waiting.one.execution_id), in_doubt))
