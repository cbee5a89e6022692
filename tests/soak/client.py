"""A client process of a run: it starts executions and does what their scripts say, in threads."""

from __future__ import annotations

import heapq
import itertools
import json
import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from typing import Any

import django

THREADS = 4


class Agenda:
    """Scripts by the time of their next call; what is started keeps step with the faults."""

    def __init__(self, clients: list[Any]) -> None:
        self._new = list(reversed(clients))
        self._all = len(clients)
        self._heap: list[tuple[float, int, Any, Iterator[Any]]] = []
        self._numbers = itertools.count()
        self._lanes: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._looked, self._share = 0.0, 0.0

    def _begin(self) -> None:
        from tests.soak.script import ended

        if time.monotonic() - self._looked > 0.5:
            self._looked, self._share = time.monotonic(), ended()
        allowed = (self._share + 0.02) * self._all
        while self._new and self._all - len(self._new) < allowed:
            client = self._new.pop()
            self._push(0.0, client, client.main())

    def _push(self, pause: float, client: Any, script: Iterator[Any]) -> None:
        self._lanes[client.token] += 1
        due = time.monotonic() + pause
        heapq.heappush(self._heap, (due, next(self._numbers), client, script))

    def turn(self) -> bool:
        """One call of what is due; False when everything is done."""
        with self._lock:
            self._begin()
            due = self._heap and self._heap[0][0] <= time.monotonic()
            if not due:
                alive = bool(self._new) or bool(self._lanes)
            else:
                _, _, client, script = heapq.heappop(self._heap)
        if not due:
            time.sleep(0.1)
            return alive
        more = next_of(client, script)
        with self._lock:
            for pause, lane in more:
                self._push(pause, client, lane)
            self._lanes[client.token] -= 1
            if not self._lanes[client.token]:
                del self._lanes[client.token]
                self._write(client)
        return True

    def _write(self, client: Any) -> None:
        from tests.soak import place

        place.note("records", json.dumps(vars(client.record)))


def next_of(client: Any, script: Iterator[Any]) -> list[tuple[float, Iterator[Any]]]:
    """What is to be continued after one step of a script."""
    try:
        said = next(script)
    except StopIteration:
        return []
    except Exception:
        client.complain(traceback.format_exc())
        return []
    if isinstance(said, float):
        return [(said, script)]
    return [(0.0, said), (0.0, script)]  # another lane


def main() -> None:
    """``python -m tests.soak.client NUMBER CLIENTS EXECUTIONS``."""
    number, clients, executions = map(int, sys.argv[1:4])
    django.setup()
    from django.db import connections

    from tests.soak import cuts, place
    from tests.soak.script import Client, workflow_of

    cuts.obey()
    seed = place.seed()
    scripts = [
        Client(f"t{each}", seed, workflow_of(each, seed))
        for each in range(number, executions, clients)
    ]
    agenda = Agenda(scripts)

    def work() -> None:
        try:
            while agenda.turn():
                pass
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        connections.close_all()

    threads = [threading.Thread(target=work, name=f"client-{each}") for each in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():  # a signal is heard by the main thread, between two waits
            thread.join(0.1)


if __name__ == "__main__":
    main()
