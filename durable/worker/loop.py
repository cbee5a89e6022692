"""The event loop, in its own thread, that runs the bodies of ``async def`` steps."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connections

from durable.engine.body.step_transaction import Watch
from durable.worker.connections import release_connections

logger = logging.getLogger("durable.worker")

ALIVE_WITHIN = 1.0  # seconds in which a loop must answer, or it counts as blocked


class _Raised:
    """An error of a body, returned as a value: raised, some (SystemExit) would end the loop."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class EventLoop:
    """One event loop per process; a slot waits for each body, so their number stays bounded.

    A body that blocks its loop (``time.sleep`` in ``async def``) keeps that loop when it is given
    up; the next bodies run on a new one. A loop is only made when it is started: one that never
    runs would be torn down with a traceback when the process ends.
    """

    _loop: asyncio.AbstractEventLoop
    _thread: threading.Thread

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def start(self) -> None:
        """Make a loop, and start its thread."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=_run, args=(self._loop,), name="durable-asyncio", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop the loop."""
        with self._lock:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=ALIVE_WITHIN)

    def run(
        self,
        coroutine: Coroutine[Any, Any, Any],
        watch: Watch | None,
        on_give_up: Callable[[Callable[[], Any]], None],
    ) -> Any:
        """Run ``coroutine`` to its end and return its result in the calling thread.

        ``watch`` sees the statements of the body; ``on_give_up`` receives a function that ends
        the body early.
        """
        with self._lock:
            loop = self._loop
            future = asyncio.run_coroutine_threadsafe(_apart(coroutine, watch), loop)

        def give_up() -> None:
            future.cancel()
            self._replace_if_blocked(loop)

        on_give_up(give_up)
        result = future.result()
        if isinstance(result, _Raised):
            raise result.error
        return result

    def _replace_if_blocked(self, loop: asyncio.AbstractEventLoop) -> None:
        answered = threading.Event()
        loop.call_soon_threadsafe(answered.set)
        if answered.wait(ALIVE_WITHIN):
            return
        with self._lock:
            if self._loop is not loop:
                return
            logger.error("a given-up async step blocks its event loop: going on with a new one")
            loop.call_soon_threadsafe(loop.stop)
            self.start()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until stopped; restart it after an error such as SystemExit in a task."""
    asyncio.set_event_loop(loop)
    while True:
        try:
            loop.run_forever()
        except BaseException as error:  # SystemExit in a task that a body has made
            logger.warning("a task in an async step raised %s", type(error).__name__)
            continue
        break
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


async def _apart(coroutine: Coroutine[Any, Any, Any], watch: Watch | None) -> Any:
    """Run the body with its own thread for ORM work, and close that thread's connections."""
    async with ThreadSensitiveContext():
        if watch is not None:
            await sync_to_async(_attend)(watch)
        try:
            return await coroutine
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            return _Raised(error)
        finally:
            await sync_to_async(release_connections)()


def _attend(watch: Watch) -> None:
    """Add ``watch`` to this thread's connections; the thread ends with the body."""
    for connection in connections.all():
        connection.execute_wrappers.append(watch)
