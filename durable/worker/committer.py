"""Group commit: one thread writes the checkpoints of all slots, many in one commit."""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import Future
from typing import NamedTuple
from uuid import UUID

from durable.engine.ends import checkpoint as checkpoints
from durable.engine.ends import direct
from durable.engine.ends.checkpoint import Accepted, Checkpoint
from durable.worker.arrival import connect_ahead
from durable.worker.connections import refresh_connections, release_connections, return_to_pool

logger = logging.getLogger("durable.worker")

AT_ONCE = 64


class _Reply(NamedTuple):
    """The result of a checkpoint in a shared commit; not accepted means a lost fence or a lock."""

    accepted: Accepted | None
    in_doubt: bool = False


_Item = tuple[Checkpoint, "Future[_Reply]"]


class Committer:
    """Group commit: each slot waits for its own checkpoint, the database sees few commits.

    The thread waits neither for locked rows nor for an unavailable database: such a checkpoint
    goes back to its slot, which writes it on its own connection.
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
        future: Future[_Reply] = Future()
        self._queue.put((checkpoint, future))
        reply = future.result()
        return reply.accepted or direct.commit(checkpoint, in_doubt=reply.in_doubt)

    def _run(self) -> None:
        connect_ahead()
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
        accepted: dict[UUID, Accepted] = {}
        in_doubt = False
        try:
            refresh_connections()
            accepted.update(checkpoints.write([c for c, _ in batch], skip_locked=True))
        except BaseException as error:  # a checkpoint or the connection: each slot writes its own
            in_doubt = True
            logger.info("a batch of %d checkpoints is written singly: %s", len(batch), error)
        return_to_pool()
        for checkpoint, future in batch:
            future.set_result(_Reply(accepted.get(checkpoint.execution_id), in_doubt))
