"""Keep what a step logs, by any logger, with its attempt."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from durable import conf

MAX_BYTES = 256 * 1024

_lines: ContextVar[list[str] | None] = ContextVar("durable_log_lines", default=None)


class CaptureHandler(logging.Handler):
    """Writes each record as one JSON line to the attempt that runs in this context."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record; what can't be formatted is described."""
        lines = _lines.get()
        if lines is None or sum(map(len, lines)) > MAX_BYTES:
            return
        try:
            message = record.getMessage()
            if record.exc_info:
                message += "\n" + logging.Formatter().formatException(record.exc_info)
        except Exception as error:
            message = f"{record.msg!s} <not printable: {type(error).__name__}>"
        at = datetime.fromtimestamp(record.created, UTC)
        line = {"at": at.isoformat(), "level": record.levelname, "logger": record.name}
        lines.append(json.dumps({**line, "message": message.replace("\x00", "\\x00")}))


_handler = CaptureHandler()


@contextmanager
def installed() -> Iterator[None]:
    """Let records from ``LOG_CAPTURE`` on reach the attempt, and print no more than before.

    The root logger lets them through; the handlers that were there keep the level that the
    root logger had.
    """
    level_name = conf.get("LOG_CAPTURE")
    root = logging.getLogger()
    if not level_name or _handler in root.handlers:
        yield
        return
    level = logging.getLevelName(str(level_name).upper())
    before = root.level
    keep = _AsBefore(before)
    quieted = list(root.handlers)
    alone = not quieted
    if alone:
        quieted = [_last_resort()]
        root.addHandler(quieted[0])
    for handler in quieted:
        handler.addFilter(keep)
    _handler.setLevel(level)
    root.addHandler(_handler)
    root.setLevel(min(before, level) if before else level)
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(_handler)
        for handler in quieted:
            handler.removeFilter(keep)
        if alone:
            root.removeHandler(quieted[0])


class _AsBefore(logging.Filter):
    """Passes what the root logger's former level (or a logger's own) would have passed."""

    def __init__(self, root_level: int) -> None:
        super().__init__()
        self._root_level = root_level

    def filter(self, record: logging.LogRecord) -> bool:
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None and logger.parent is not None:
            if logger.level:
                return True  # its own level has let it pass
            logger = logger.parent
        return record.levelno >= self._root_level


def _last_resort() -> logging.Handler:
    """What Python does with warnings when no handler is installed at all."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    return handler


@contextmanager
def captured() -> Iterator[list[str]]:
    """Collect the lines of one run of a body."""
    lines: list[str] = []
    token = _lines.set(lines)
    try:
        yield lines
    finally:
        _lines.reset(token)


def text(lines: list[str]) -> str:
    """The lines as they are stored."""
    return "".join(line + "\n" for line in lines)
