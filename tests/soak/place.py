"""The directory of one run: through it the runner, the workers and the clients tell each other."""

from __future__ import annotations

import os
import threading
from pathlib import Path

#: the environment variables that a process of a run finds its run by
DIRECTORY, SEED = "SOAK_DIRECTORY", "SOAK_SEED"


def directory() -> Path:
    """The directory of this run."""
    return Path(os.environ[DIRECTORY])


def seed() -> int:
    """The seed of this run."""
    return int(os.environ[SEED])


def note(file: str, line: str) -> None:
    """Append a line at once: it stays whatever happens to the process or to the database."""
    handle = os.open(directory() / file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


def noted(file: str) -> list[str]:
    """The lines of a file so far."""
    path = directory() / file
    return path.read_text().splitlines() if path.exists() else []


def say(file: str, word: str) -> None:
    """Replace what a file says; a reader sees the old word or the new one."""
    fresh = directory() / f"{file}.{threading.get_ident()}"
    fresh.write_text(word)
    fresh.replace(directory() / file)


def said(file: str, default: str) -> str:
    """What a file says."""
    path = directory() / file
    return path.read_text() if path.exists() else default
