"""Repeat a write whose COMMIT got no answer: first read back, under the fence, whether it is in."""

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
    """A function whose writes carry a claim is repeated while the database is unavailable.

    ``told`` gets the same arguments and reads the result that an earlier try has left, in a tuple;
    ``None`` if nothing of it is in the database. It is asked before each repetition;
    and after one that found the claim gone or its rows there, since that earlier COMMIT may have
    been on its way still.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            tried = False

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
    """Whether the holder of ``claim`` has let go of the row by itself.

    Whoever takes a claim away raises the fence, so the row still has that of the claim.
    """
    rows = Execution.objects.filter(pk=claim.execution_id, fence=claim.fence, worker=None)
    return rows.exists()


def let_go_before(claim: Claim, *_: object, **__: object) -> tuple[None] | None:
    """For functions that return nothing: whether the claim has been let go already."""
    return (None,) if let_go(claim) else None
