"""The event loop on which the bodies of ``async def`` steps run, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async

from durable.worker.connections import release_connections


class EventLoop:
    """One loop a process; a slot waits for each body, so their number stays bounded."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="durable-asyncio", daemon=True
        )

    def start(self) -> None:
        """Begin to run."""
        self._thread.start()

    def stop(self) -> None:
        """Run no more."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    def run(
        self, coroutine: Coroutine[Any, Any, Any], on_give_up: Callable[[Callable[[], Any]], None]
    ) -> Any:
        """Run ``coroutine`` to its end and return its result in the calling thread."""
        future = asyncio.run_coroutine_threadsafe(_apart(coroutine), self._loop)
        on_give_up(future.cancel)
        return future.result()


async def _apart(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Give the body's ORM work a thread of its own, and close that thread's connections."""
    async with ThreadSensitiveContext():
        try:
            return await coroutine
        finally:
            await sync_to_async(release_connections)()
