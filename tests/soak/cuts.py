"""Cuts the connection at a COMMIT: before it is sent, or after it is done and before its answer.

The runner asks by a signal; the next COMMIT of a thread of the drawn kind meets the cut.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from tests.soak import place

#: the file that says which cuts have happened
LOG = "cuts"

SIGNALS: Mapping[int, str] = {signal.SIGUSR1: "before", signal.SIGUSR2: "after"}

#: threads by the beginning of their names: any, the one of grouped checkpoints, those of bodies
KINDS = ("", "durable-committer", "durable-default")

#: how long a cut waits for a thread of its kind, in seconds; then any thread will do
PATIENCE = 1.0


class Scissors:
    """What stands in for the COMMIT of every connection of this process."""

    def __init__(self) -> None:
        self._plain = BaseDatabaseWrapper._commit
        self._side, self._kind, self._asked = "", "", 0.0
        self._lock = threading.Lock()

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Cut at the next COMMIT that fits."""
        self._kind, self._asked = random.choice(KINDS), time.monotonic()
        self._side = SIGNALS[number]

    def _taken(self) -> str:
        """The side that is to be cut now; empty: none."""
        if not self._side:
            return ""
        late = time.monotonic() - self._asked > PATIENCE
        if not late and not threading.current_thread().name.startswith(self._kind):
            return ""
        with self._lock:
            side, self._side = self._side, ""
        return side

    def commit(self, conn: BaseDatabaseWrapper) -> Any:
        """COMMIT, or what becomes of it."""
        side = self._taken() if conn.connection is not None else ""
        if not side:
            return self._plain(conn)
        raw: Any = conn.connection
        if side == "after":
            with conn.wrap_database_errors:
                raw.commit()
        with socket.fromfd(raw.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.shutdown(socket.SHUT_RDWR)
        place.note(LOG, f"{side} {os.getpid()} {threading.current_thread().name}")
        with conn.wrap_database_errors:
            raw.execute("SELECT 1")
        raise AssertionError("the connection is still there")


SCISSORS = Scissors()


def _commit(self: BaseDatabaseWrapper) -> Any:
    return SCISSORS.commit(self)


def obey() -> None:
    """Obey the signals from now on in this process, and say that it is so."""
    BaseDatabaseWrapper._commit = _commit
    for number in SIGNALS:
        signal.signal(number, SCISSORS.ask)
    place.note("up", str(os.getpid()))
