"""Run due executions in the calling thread, one after the other, on its own connection."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync

from durable import clock, conf
from durable.authoring.parse import registry
from durable.authoring.self.context import apart
from durable.engine.body import log_capture
from durable.engine.duties import workers
from durable.engine.duties.duty import UPKEEP, duties_of
from durable.engine.duties.pulse import Pulse, pulse
from durable.engine.duties.rota import Rota
from durable.engine.ends import direct
from durable.engine.ends.checkpoint import Accepted, Checkpoint
from durable.engine.ends.parks import Park, Shared
from durable.engine.row.held import Claim
from durable.engine.run import runner
from durable.engine.run.claim import claim_due
from durable.engine.run.session import Limited
from durable.models import Execution
from durable.models.fields import uuid7
from durable.models.given import AMONG, bound
from durable.storage.transaction import connection

logger = logging.getLogger("durable.engine")


class InlineSession:
    """A session without threads, used by the testing kit."""

    stopping = False

    def __init__(self) -> None:
        self.worker: UUID = uuid7()
        self._hooks = len(connection().run_on_commit)

    def commit(self, checkpoint: Checkpoint) -> Accepted | None:
        """Write one checkpoint in its own commit."""
        return direct.commit(checkpoint)

    def park(self, one: Park) -> Shared:
        """Park one execution in its own commit."""
        return direct.park(one)

    def committed(self) -> None:
        """Inside a test's transaction nothing commits: run the hooks registered since the start.

        As after a commit, a hook that raises is logged and undoes nothing; the hooks after it
        don't run, unless it was registered as robust.
        """
        conn = connection()
        if not conn.in_atomic_block:
            return
        hooks: list[tuple[Callable[[], Any], bool]] = []
        while len(conn.run_on_commit) > self._hooks:
            registered: Any = conn.run_on_commit.pop(self._hooks)
            hooks.append((registered[1], registered[2]))
        for hook, robust in hooks:
            try:
                apart(hook)
            except Exception:
                logger.exception("a hook after the commit of a step failed: %r", hook)
                if not robust:
                    return

    def await_result(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on an event loop of its own; its ORM work comes back to this thread."""

        async def run() -> Any:
            return await coroutine

        return async_to_sync(run)()

    @contextmanager
    def limit(self, attempt: Limited, limit: timedelta | None) -> Iterator[None]:
        """Check the time when the body has ended; a single thread can't stop it earlier."""
        begun, at = time.monotonic(), attempt.claim.now()

        def look() -> None:
            took = max(timedelta(seconds=time.monotonic() - begun), attempt.claim.now() - at)
            if limit is not None and took > limit:
                raise attempt.overdue()

        attempt.on_end = look
        yield

    def cancel_requested(self, claim: Claim) -> bool:
        """Read the row; inside an async body, which can't query, use the claim's value."""
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            return claim.cancel_requested
        return Execution.objects.filter(
            pk=claim.execution_id, cancel_requested_at__isnull=False
        ).exists()

    def show_progress(self, claim: Claim, progress: Any) -> None:
        """Do nothing: progress is written by the transaction that ends the attempt."""


def work(
    max_claims: int, rota: Rota | None = None, stopping: Callable[[], bool] = lambda: False
) -> int:
    """Do duties, claim and run until nothing is due; return the number of claims.

    One execution at a time, by priority and then by due time. Duties by the clock (``every``) are
    done when nothing else is due. ``stopping`` is asked before each claim.
    """
    done = 0
    rota = Rota(duties_of()) if rota is None else rota
    with log_capture.installed(), _present() as presence:
        while done < max_claims and not stopping():
            session, kinds = InlineSession(), sorted(registry.kinds())
            while sum(map(rota.perform, rota.due(seen := pulse(None, kinds), upkeep=False))):
                pass  # one duty may make another one due
            claim = _next(presence, kinds) if seen.ready else None
            more = claim is not None or _keep_up(rota, seen)
            session.committed()
            if claim is not None:
                runner.run(claim, session)
                done += 1
            elif not more:
                break
    return done


def _keep_up(rota: Rota, seen: Pulse) -> int:
    """Do the duties by the clock; return how much was done."""
    rota.restart(UPKEEP)
    return sum(map(rota.perform, rota.due(seen)))


class _Presence:
    """The worker row for this thread's claims; if the process dies, the lease frees them.

    The row is created with the first claim, and removed when all went well.
    """

    def __init__(self) -> None:
        self._worker: UUID | None = None
        self._seen: tuple[Any, float] = None, 0.0

    def worker(self) -> UUID:
        """The worker's id, with its lease renewed once a third of it is over."""
        lease, (frozen, renewed) = conf.duration("LEASE"), self._seen
        now = clock.frozen_at(), time.monotonic()
        if self._worker is not None:
            if now[0] == frozen and now[1] - renewed < lease.total_seconds() / 3:
                return self._worker
            if not workers.renew(self._worker, lease, 0, listening=False):
                self._worker = None
        if self._worker is None:
            name = f"{socket.gethostname()}:{os.getpid()} (inline)"
            self._worker = workers.sign_on(name, [], registry.kinds(), lease, listening=False)
        self._seen = now
        return self._worker

    def end(self) -> None:
        """Remove the row, and free the claims still held."""
        if self._worker is not None:
            workers.forget(self._worker)


@contextmanager
def _present() -> Iterator[_Presence]:
    presence = _Presence()
    try:
        yield presence
    except BaseException:
        with suppress(Exception):  # the first error matters more; the lease frees the claims
            presence.end()
        raise
    presence.end()


# A few probes of the index of due rows for each queue: an order over all would read all rows.
_NEXT = """
WITH RECURSIVE queues(name) AS (
  SELECT min(queue) FROM durable_execution WHERE ready_at IS NOT NULL
  UNION ALL
  SELECT (SELECT min(queue) FROM durable_execution
          WHERE ready_at IS NOT NULL AND queue > queues.name)
  FROM queues WHERE queues.name IS NOT NULL)
SELECT first.queue, first.id FROM queues JOIN durable_execution AS first ON first.id = (
  SELECT id FROM durable_execution
  WHERE ready_at IS NOT NULL AND queue = queues.name AND kind {among}
  ORDER BY rank, ready_at, id LIMIT 1)
WHERE NOT queues.name {among}
ORDER BY first.rank, first.ready_at, first.id LIMIT 1
"""


def _next(presence: _Presence, kinds: list[str]) -> Claim | None:
    """Claim what is due first; a queue that gives the same row in vain twice is left out."""
    vain, tried = list[str](), set[Any]()
    while found := _first(kinds, vain):
        queue, pk = found
        claims = claim_due(presence.worker(), queue, kinds, 1)
        if claims:
            return claims[0]
        if pk in tried:
            vain.append(queue)
        tried.add(pk)
    return None


def _first(kinds: list[str], vain: list[str]) -> tuple[str, Any] | None:
    """The queue and id of the execution that is due first, apart from the queues ``vain``."""
    conn = connection()
    with conn.cursor() as cursor:
        cursor.execute(
            _NEXT.format(among=AMONG[conn.vendor]), [bound(kinds, conn), bound(vain, conn)]
        )
        found: tuple[str, Any] | None = cursor.fetchone()
    return found
