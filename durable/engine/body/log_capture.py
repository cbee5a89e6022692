"""Capture the log records of a step, from any logger, and store them with its attempt."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from typing import Any

from durable import conf

MAX_BYTES = 256 * 1024

_lines: ContextVar[list[str] | None] = ContextVar("durable_log_lines", default=None)


def _keep(record: logging.LogRecord, level: int) -> None:
    """Add a record, as one JSON line, to the attempt that runs in this context, if any."""
    lines = _lines.get()
    if lines is None or record.levelno < level or sum(map(len, lines)) > MAX_BYTES:
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


_installed = False


@contextmanager
def installed() -> Iterator[None]:
    """Capture records from the level ``LOG_CAPTURE`` on, without printing more than before.

    Records are captured when they are created, so loggers that don't propagate are included. The
    root logger's level is lowered so that they are created; a filter keeps all handlers to the
    level that it had.
    """
    global _installed
    level_name = conf.get("LOG_CAPTURE")
    if not level_name or _installed:
        yield
        return
    root = logging.getLogger()
    level = logging.getLevelName(str(level_name).upper())
    before, make = root.level, logging.getLogRecordFactory()

    def capture(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        _keep(record, level)
        return record

    alone = not root.handlers
    if alone:
        root.addHandler(_last_resort())
    quiet = _AsBefore(before)
    quieted = _handlers()
    for handler in quieted:
        handler.addFilter(quiet)
    logging.setLogRecordFactory(capture)
    root.setLevel(min(before, level) if before else level)
    _installed = True
    try:
        yield
    finally:
        _installed = False
        root.setLevel(before)
        logging.setLogRecordFactory(make)
        for handler in quieted:
            handler.removeFilter(quiet)
        if alone:
            root.removeHandler(quieted[0])


def _handlers() -> list[logging.Handler]:
    """All handlers of all loggers, the root logger's first."""
    root = logging.getLogger()
    named = [one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    return list(dict.fromkeys(h for logger in (root, *named) for h in logger.handlers))


class _AsBefore(logging.Filter):
    """Passes the records that a logger's own level, or the root logger's former one, would pass."""

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
    """A handler that treats warnings as Python does when no handler is installed."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.addFilter(_is_unheard)
    return handler


def _is_unheard(record: logging.LogRecord) -> bool:
    """Whether no handler below the root logger has received the record."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None and logger.parent is not None:
        if logger.handlers:
            return False
        logger = logger.parent
    return True


def begin() -> tuple[list[str], Token[list[str] | None]]:
    """Collect the lines of one run of a body; returns them, and the token for ``end``."""
    lines: list[str] = []
    return lines, _lines.set(lines)


def end(token: Token[list[str] | None]) -> None:
    """Undo ``begin``."""
    _lines.reset(token)


def text(lines: list[str]) -> str:
    """The lines as one text, for storage."""
    return "".join(line + "\n" for line in lines)
