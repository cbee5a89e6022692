"""Repeat a write whose COMMIT got no answer, after reading back whether it is already committed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import IntegrityError

from durable.engine.row.held import Claim
from durable.errors import ClaimLost
from durable.models import Execution
from durable.storage.reconnect import persist

P = ParamSpec("P")
R = TypeVar("R")


def settled_by(told: Callable[..., tuple[R] | None]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function that writes under a claim: repeat it while the database is unavailable.

    ``told`` gets the same arguments and reads back the result of an earlier try, in a tuple;
    ``None`` if nothing of it is in the database. It is called before each repetition, and again
    after a repetition that raised ``ClaimLost`` or ``IntegrityError``: the earlier COMMIT may
    have arrived only then. A call with ``in_doubt=True`` is a repetition from the beginning:
    another function has tried the same write, and its COMMIT got no answer.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            tried = bool(kwargs.get("in_doubt"))

            def once() -> R:
                nonlocal tried
                if not tried:
                    tried = True
                    return function(*args, **kwargs)
                before = told(*args, **kwargs)
                if before is not None:
                    return before[0]
                try:
                    return function(*args, **kwargs)
                except (ClaimLost, IntegrityError):
                    before = told(*args, **kwargs)
                    if before is None:
                        raise
                    return before[0]

            return persist(once)

        return run

    return decorate


def let_go(claim: Claim) -> bool:
    """Whether the claim was already released by its own holder.

    Taking a claim away raises the fence; a row that still has the claim's fence was released.
    """
    rows = Execution.objects.filter(pk=claim.execution_id, fence=claim.fence, worker=None)
    return rows.exists()


def let_go_before(claim: Claim, *_: object, **__: object) -> tuple[None] | None:
    """``told`` for functions that return nothing: whether the claim is released already."""
    return (None,) if let_go(claim) else None
