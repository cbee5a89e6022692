"""``Retry``: whether a failed attempt is retried, and after what delay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import random as draw
from typing import Any, Literal

from durable.authoring.parse.wording import place, refuse
from durable.authoring.values import KnownOptions, beyond, count, one_of

ErrorTypes = type[Exception] | tuple[type[Exception], ...]


@dataclass(frozen=True)
class Retry(KnownOptions):
    """The number and the delays of a step's attempts.

    ``max_attempts`` counts the first attempt too. The delay after attempt n is
    ``base * 2**(n-1)`` (exponential), ``base * n`` (linear) or ``base`` (constant), spread by
    ``jitter`` (0.25: up to a quarter more or less) and never above ``max_delay``. Errors are
    retried if they are instances of ``on`` and not of ``give_up_on``.
    """

    max_attempts: int = 3
    backoff: Literal["exponential", "linear", "constant"] = "exponential"
    base: timedelta = timedelta(seconds=1)
    max_delay: timedelta = timedelta(hours=1)
    jitter: float = 0.25
    on: ErrorTypes = (Exception,)
    give_up_on: ErrorTypes = ()

    def __post_init__(self) -> None:
        where = place("Retry")
        count(self.max_attempts, where, "max_attempts")
        one_of(self.backoff, where, "backoff", ("exponential", "linear", "constant"))
        for what in ("base", "max_delay"):
            value: Any = getattr(self, what)
            if not isinstance(value, timedelta):
                refuse(where, f"{what} must be a timedelta such as seconds(1), not {value!r}.")
            if value < timedelta(0):
                refuse(where, f"{what} can't be negative, but is {value!r}.")
            if why := beyond(value):
                refuse(where, f"{what} {why}.")
        number: Any = self.jitter
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
            refuse(where, f"jitter must be a number from 0 to 1, not {number!r}.")
        object.__setattr__(self, "on", _classes(self.on, where, "on"))
        object.__setattr__(self, "give_up_on", _classes(self.give_up_on, where, "give_up_on"))

    @classmethod
    def of(cls, value: Retry | int | None) -> Retry | None:
        """The ``Retry`` for ``retry=``, given as a ``Retry``, a number of attempts, or ``None``."""
        if value is None or isinstance(value, Retry):
            return value
        if isinstance(value, bool) or not isinstance(value, int):
            refuse(place("retry"), f"retry takes Retry(…) or a number of attempts, not {value!r}.")
        return cls(max_attempts=value)

    def delay(self, attempt: int, random: float | None = None) -> timedelta:
        """The delay after ``attempt`` (1-based); ``random`` in 0…1 replaces chance."""
        n = max(attempt, 1)
        base, longest = self.base.total_seconds(), self.max_delay.total_seconds()
        if self.backoff == "exponential":
            base *= 2.0 ** min(n - 1, 900)  # beyond any max_delay, and still a float
        elif self.backoff == "linear":
            base *= float(min(n, 10**15))
        spread = 1 + self.jitter * (2 * (draw() if random is None else random) - 1)
        return timedelta(seconds=min(min(base, longest) * spread, longest))

    def retries(self, error: BaseException) -> bool:
        """Whether an error of this class is retried."""
        on: Any = self.on
        give_up_on: Any = self.give_up_on
        return isinstance(error, on) and not isinstance(error, give_up_on)


def _classes(value: Any, where: str, what: str) -> tuple[type[Exception], ...]:
    classes = tuple(value) if isinstance(value, tuple | list) else (value,)
    for item in classes:
        if not (isinstance(item, type) and issubclass(item, Exception)):
            refuse(where, f"{what} takes exception classes, not {item!r}.")
    return classes
