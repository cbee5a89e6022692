"""Repeat a write whose COMMIT got no answer: first read back, under the fence, whether it is in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import IntegrityError

from durable.engine.row.held import Claim
from durable.errors import ClaimLost
from durable.models import Execution
from durable.states import Status
from durable.storage.reconnect import persist

P = ParamSpec("P")
R = TypeVar("R")


def settled_by(told: Callable[..., R | None]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function whose writes carry a claim is repeated while the database is unavailable.

    ``told`` gets the same arguments and reads what an earlier try has left: the function's
    result, or ``None`` if nothing of it is in the database. It is asked before each repetition;
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
                    return before
                try:
                    return function(*args, **kwargs)
                except (ClaimLost, IntegrityError):
                    before = told(*args, **kwargs)
                    if before is None:
                        raise
                    return before

            return persist(once)

        return run

    return decorate


def let_go_at(claim: Claim, *_: object, **__: object) -> Status | None:
    """Where the row stands that the holder of ``claim`` has let go by itself; else ``None``.

    Whoever takes a claim away raises the fence, so the row still has that of the claim.
    """
    rows = Execution.objects.filter(pk=claim.execution_id, fence=claim.fence, worker=None)
    status = rows.values_list("status", flat=True).first()
    return None if status is None else Status(status)
