"""LISTEN on a connection of its own: shortens the wait for work where PostgreSQL lets it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from django.db import connections

from durable.conf import database
from durable.engine.notify import CHANNEL

logger = logging.getLogger("durable.worker")

RECONNECT_AFTER = 5.0  # seconds
PROOF = 2.0  # seconds within which a notification to ourselves must arrive


class Listener:
    """Calls ``wake`` at each notification; ``works`` is true once one has really arrived.

    Behind pgbouncer in transaction mode LISTEN is accepted and nothing ever comes: a
    notification to ourselves tells the difference, and the worker polls then.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._stopping = threading.Event()
        self.works = False
        self._thread: threading.Thread | None = None
        if connections[database()].vendor == "postgresql":
            self._thread = threading.Thread(target=self._run, name="durable-listener", daemon=True)

    def start(self) -> None:
        """Begin to listen, if the database can notify."""
        if self._thread is not None:
            self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=2)

    def _run(self) -> None:
        while not self._stopping.is_set():
            connection: Any = connections.create_connection(database())
            try:
                self._listen(connection)
            except Exception as error:
                logger.info("not listening, polling instead: %s", error)
            finally:
                self.works = False
                connection.close()
            self._stopping.wait(RECONNECT_AFTER)

    def _listen(self, connection: Any) -> None:
        connection.ensure_connection()
        raw = connection.connection
        raw.execute(f"LISTEN {CHANNEL}")
        raw.execute(f"NOTIFY {CHANNEL}")
        waited = 0.0
        while not self._stopping.is_set():
            heard = False
            for _ in raw.notifies(timeout=0.5, stop_after=1):
                heard = True
            waited += 0.0 if heard or self.works else 0.5
            if heard:
                self.works = True
                self._wake()
            elif waited >= PROOF:
                raise RuntimeError("notifications don't arrive on this connection")
