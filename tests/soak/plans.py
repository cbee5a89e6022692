"""The input of an order, decided by the seed, and what it must end with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any

from durable.states import Status


@dataclass(frozen=True)
class Plan:
    """What an order does, and what happens to it."""

    order: str  # the correlation key
    flaky: bool
    nap: float
    pays: int
    ships: int
    ask: str
    legs: int
    parcels: int
    items: list[int]
    fail: str  # where: "branch", "end" or nowhere

    @property
    def is_short(self) -> bool:
        """Whether it has no question, children or items."""
        return not self.ask

    @property
    def end(self) -> Status:
        """The status at the end of one that nobody cancels."""
        return Status.COMPENSATED if self.fail else Status.COMPLETED

    def result(self, answer: str) -> dict[str, Any]:
        """The data of a completed order, without what was drawn and its keys."""
        short = {
            **asdict(self),
            "reserved": True,
            "attempt": 2 if self.flaky else 1,
            "paid": list(range(self.pays)),
            "end": True,
        }
        return short if self.is_short else {**short, **self._more(answer)}

    def _more(self, answer: str) -> dict[str, Any]:
        errors = [index for index, item in enumerate(self.items) if item % 3 == 0]
        return {
            "shipped": list(range(self.ships)),
            "answer": answer,
            "never": "late",
            **({"packed": sum(self.items), "stacked": self.items} if self.items else {}),
            "seen": [None if item % 3 == 0 else item * 10 for item in self.items],
            "look": {
                "total": len(self.items),
                "succeeded": len(self.items) - len(errors),
                "failed": len(errors),
                "errors": errors,
            },
            "travelled": list(range(self.legs)),
            "posted": self.parcels,
            "instead": "declined",
            "turns": 3,
            "called": True,
        }


def plan(token: str, dice: Random, *, is_short: bool) -> Plan:
    """A plan for the order ``token``."""
    made = _plan(token, dice)
    if not is_short:
        return made
    fail = "end" if made.fail else ""
    return replace(made, ships=0, ask="", legs=0, parcels=0, items=[], fail=fail)


def _plan(token: str, dice: Random) -> Plan:
    return Plan(
        order=f"order:{token}",
        flaky=dice.random() < 0.3,
        nap=dice.choice([0.1, 0.5, 1.0]),
        pays=dice.choice([0, 1, 1, 2, 3]),
        ships=dice.choice([0, 1, 2]),
        ask=dice.choice(["approval", "text"]),
        legs=dice.choice([0, 1, 2]),
        parcels=dice.choice([0, 1, 2]),
        items=[dice.randint(1, 9) for _ in range(dice.choice([0, 2, 3, 5]))],
        fail=dice.choices(["", "end", "branch"], [7, 2, 1])[0],
    )


def as_given(data: Mapping[str, Any]) -> dict[str, Any]:
    """Data to compare with ``Plan.result``."""
    own = {name: value for name, value in data.items() if name not in ("charge", "drawn")}
    report = own.get("look")
    if isinstance(report, dict):
        own["look"] = {**report, "errors": [error["index"] for error in report["errors"]]}
    return own
