"""One thread that writes the checkpoints of all slots: many in one commit, each under its fence."""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import Future
from uuid import UUID

from durable.engine import checkpoint as checkpoints
from durable.engine import direct
from durable.engine.checkpoint import Accepted, Checkpoint
from durable.worker.connections import refresh_connections, release_connections

logger = logging.getLogger("durable.worker")

AT_ONCE = 64

_Item = tuple[Checkpoint, "Future[Accepted | None]"]


class Committer:
    """Group commit: each slot waits for its own checkpoint, the database sees few commits."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="durable-committer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is queued, then end."""
        self._queue.put(None)
        self._thread.join(timeout=10)

    def commit(self, checkpoint: Checkpoint) -> Accepted | None:
        """Write one checkpoint durably; ``None`` if its fence is lost."""
        future: Future[Accepted | None] = Future()
        self._queue.put((checkpoint, future))
        return future.result()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            batch, last = [item], False
            while len(batch) < AT_ONCE and not last:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                else:
                    batch.append(more)
            refresh_connections()
            self._write(batch)
            if last:
                break
        release_connections()

    def _write(self, batch: list[_Item]) -> None:
        accepted: dict[UUID, Accepted] = {}
        if len(batch) > 1:
            try:
                accepted.update(checkpoints.write([c for c, _ in batch], skip_locked=True))
            except Exception as error:  # one of them, or the connection: tell by trying each
                logger.info("a batch of %d checkpoints is written singly: %s", len(batch), error)
        for checkpoint, future in batch:
            known = accepted.get(checkpoint.execution_id)
            if known is not None:
                future.set_result(known)
                continue
            try:
                future.set_result(direct.commit(checkpoint))
            except BaseException as error:
                future.set_exception(error)
