"""Raise definition errors: the place of the mistake, and a suggestion."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from types import FrameType
from typing import NoReturn

from durable.errors import DefinitionError


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """A sentence that suggests the nearest known word; empty if none is near."""
    near = difflib.get_close_matches(wrong, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def place(attribute: str) -> str:
    """``Class.attribute`` while a class body is being executed, else ``attribute``.

    ``branch(…)`` or ``Cron(…)`` is called inside a class body, before the class exists; only the
    frame of that body has its name.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if "__qualname__" in frame.f_locals and "__module__" in frame.f_locals:
            return f"{short(str(frame.f_locals['__qualname__']))}.{attribute}"
        frame = frame.f_back
    return attribute


def short(qualname: str) -> str:
    """A qualified name without the functions around it."""
    return qualname.rpartition("<locals>.")[2]


def refuse(where: str, why: str) -> NoReturn:
    """Raise ``DefinitionError`` with the place and the reason."""
    raise DefinitionError(f"{where}: {why}")


def refuse_unknown(where: str, unknown: Iterable[str], known: Iterable[str]) -> None:
    """Refuse unknown options, with a suggestion for the first."""
    options = list(known)
    for name in unknown:
        hint = did_you_mean(name, options) or f" Known are: {', '.join(options)}."
        refuse(where, f"unknown option {name!r}.{hint}")
