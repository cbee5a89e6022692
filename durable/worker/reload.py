"""``--reload``: when a code file changes, drain the worker and restart the process."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.utils import autoreload

from durable.worker.arrival import NoDatabase
from durable.worker.worker import WorkerProcess

logger = logging.getLogger("durable.worker")


def run_reloading(worker: WorkerProcess, leave: Callable[[], None]) -> None:
    """Run ``worker`` until it stops; when code changes, drain it and replace this process.

    The process keeps its id. While a changed file has syntax errors, the worker goes on with the
    old code. ``leave`` is called before the process is replaced.
    """
    _Reloading(worker, leave).run()


class _Watcher(autoreload.StatReloader):
    """Checks the files once a second, from a snapshot taken at its start: no change is missed."""

    def __init__(self) -> None:
        super().__init__()
        self._known = dict(self.snapshot_files())

    def tick(self) -> Iterator[None]:
        """Compare the files with the last snapshot, once a second."""
        while True:
            for file, changed_at in self.snapshot_files():
                if changed_at > self._known.setdefault(file, changed_at):
                    self._known[file] = changed_at
                    self.notify_file_changed(file)
            time.sleep(self.SLEEP_TIME)
            yield


class _Reloading:
    def __init__(self, worker: WorkerProcess, leave: Callable[[], None]) -> None:
        self._worker, self._leave = worker, leave
        self._reloader = _Watcher()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="durable-worker", daemon=True)

    def run(self) -> None:
        """Watch in the main thread, which gets the signals; work in another."""
        autoreload.file_changed.connect(self._changed)
        self._thread.start()
        logger.info("watching the code: a change drains and restarts this worker")
        try:
            self._reloader.run(threading.current_thread())
        finally:
            autoreload.file_changed.disconnect(self._changed)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            self._worker.run()
        except BaseException as error:
            self._error = error
        finally:
            self._reloader.stop()

    def _changed(self, file_path: Path, **kwargs: Any) -> bool:
        """Called by Django when a watched file has changed; True: Django does nothing more."""
        if file_path.suffix != ".py" or self._worker.stopping:
            return True
        try:
            compile(file_path.read_bytes(), str(file_path), "exec")
        except (SyntaxError, ValueError, OSError) as error:
            logger.warning("not restarting, %s can't be run: %s", file_path, error)
            return True
        logger.info("%s has changed: draining", file_path)
        self._worker.request_stop()
        self._thread.join()
        failed = self._error is not None and not isinstance(self._error, NoDatabase)
        if self._worker.hurrying or failed:  # a signal or an error: end the process
            return True
        self._leave()
        arguments = [str(argument) for argument in autoreload.get_child_arguments()]
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        logging.shutdown()
        os.execv(arguments[0], arguments)  # nosec B606
