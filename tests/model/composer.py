"""Composes flows at random: every block in every other, every option, faults of all kinds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

from tests.model.compositions import (
    Branch,
    Catch,
    Chain,
    Child,
    Deed,
    Foreach,
    InsideDeed,
    Nap,
    Node,
    Parallel,
    Repeat,
    Work,
)

#: what an item may be: whatever can be stored
ITEMS = (
    *(0, 1, 2, None, True, "é.~", (1, 2), [3], {"~t": "x"}),
    Decimal("1.5"),
    datetime(2026, 1, 1, tzinfo=UTC),
)

DEEDS = (
    *("increment", "increment", "increment", "append", "append", "add", "set"),
    *("drop", "drop", "copy", "retype", "note"),
)

CASES = (None, 0, 1, True, False, 2, "text", (3, True), (4, 5, 6))

#: the blocks, and how often they are chosen
BLOCKS = {
    "chain": 2,
    "branch": 1,
    "parallel": 3,
    "foreach": 3,
    "repeat": 1,
    "catch": 2,
    "child": 1,
    "nap": 1,
}

#: those that hide no failure: what ends at all ends in the same way
FRANK_BLOCKS = {**BLOCKS, "catch": 0}


class Composer:
    """Decides a flow by one seed; ``is_frank``: no step fails of itself, no failure is hidden."""

    def __init__(self, seed: int, *, is_frank: bool = False) -> None:
        self.dice = Random(seed)
        self.is_frank = is_frank
        self.blocks: Mapping[str, float] = FRANK_BLOCKS if is_frank else BLOCKS
        self.names = 0

    def compose(self) -> Node:
        """A whole flow."""
        depth = self.dice.choice([2, 3, 3, 4])
        return Chain((self.block(depth, False), self.block(depth, False)))

    def chance(self, share: float) -> bool:
        """True in this share of all cases."""
        return self.dice.random() < share

    def name(self, initial: str) -> str:
        """One that no other part of this flow has."""
        self.names += 1
        return f"{initial}{self.names}"

    def node(self, depth: int, in_item: bool) -> Node:
        """A part with at most ``depth`` blocks around its steps."""
        if depth <= 0 or self.chance(0.4 if in_item else 0.2):
            return self.work(in_item)
        return self.block(depth, in_item)

    def block(self, depth: int, in_item: bool) -> Node:
        """A block of any kind, with at most ``depth - 1`` more inside."""
        (kind,) = self.dice.choices(list(self.blocks), list(self.blocks.values()))
        node: Node = getattr(self, kind)(depth - 1, in_item)
        return node

    def work(self, in_item: bool, *, gives_value: bool = False) -> Work:
        is_atomic = self.chance(0.7)
        return Work(
            self.name("s"),
            tuple(self.deed() for _ in range(self.dice.randint(1, 3))),
            gives_value,
            fails=not self.is_frank and self.chance(0.08),
            fails_items=not self.is_frank and in_item and self.chance(0.25),
            is_flaky=self.chance(0.15),
            naps=self.dice.choice([0, 0, 0, 0, 0, 0, 1, 2]),
            is_atomic=is_atomic,
            has_effect=is_atomic and self.chance(0.3),
            is_undone=self.chance(0.6),
            undo_naps=self.chance(0.3),
        )

    def deed(self) -> Deed | InsideDeed:
        amount = self.dice.randint(1, 9)
        if self.chance(0.25):
            kind = self.dice.choice(["increment", "set", "append", "nest"])
            return InsideDeed(Deed(kind, "q" if kind == "nest" else "n", amount))
        return Deed(self.dice.choice(DEEDS), self.dice.choice(["n", "m", "é.k", "~t"]), amount)

    def nap(self, depth: int, in_item: bool) -> Nap:
        return Nap(self.name("z"))

    def chain(self, depth: int, in_item: bool) -> Chain:
        return Chain(tuple(self.node(depth, in_item) for _ in range(self.dice.randint(1, 3))))

    def branch(self, depth: int, in_item: bool) -> Branch:
        cases = self.dice.sample(CASES, self.dice.randint(1, 4))
        return Branch(
            self.name("b"),
            self.dice.choice(["n", "d.n", "missing", "~t"]),
            tuple(cases),
            tuple(self.node(depth, in_item) for _ in cases),
            self.node(depth, in_item) if self.chance(0.6) else None,
        )

    def parallel(self, depth: int, in_item: bool) -> Parallel:
        strict = "deep" if self.is_frank else "strict"
        merge = self.dice.choice(["deep", "deep", strict, "last", "collect", "callable"])
        hides = self.is_frank and merge in ("collect", "callable")
        on_error = "fail_fast" if hides else self.dice.choice(["fail_fast", "complete_all"])
        number = self.dice.randint(1, 3)
        branches = {f"b{each}": self.node(depth, in_item) for each in range(number)}
        return Parallel(self.name("p"), branches, merge, on_error)

    def foreach(self, depth: int, in_item: bool) -> Foreach:
        items = self.dice.choices(ITEMS, k=self.dice.choice([0, 1, 2, 3, 5, 7]))
        do = self.node(depth, True)
        collect_as = self.dice.choice([None, None, None, "collected", "é.k"])
        if collect_as is not None and self.chance(0.6):
            do = Chain((do, self.work(True, gives_value=True)))
        goes_on = not self.is_frank and self.chance(0.65)
        return Foreach(
            self.name("f"),
            tuple(items),
            do,
            concurrency=self.dice.choice([1, 1, 1, 2, 3, 7]),
            batch_size=self.dice.choice([1, 2, 4, 10]),
            collect_as=collect_as,
            on_error="continue" if goes_on else "fail_fast",
            max_failures=self.dice.choice([None, None, 1, "30%"]) if goes_on else None,
        )

    def repeat(self, depth: int, in_item: bool) -> Repeat:
        return Repeat(self.name("r"), self.node(depth, in_item), self.dice.randint(1, 3))

    def catch(self, depth: int, in_item: bool) -> Catch:
        return Catch(self.name("k"), self.node(depth, in_item), self.node(depth - 1, in_item))

    def child(self, depth: int, in_item: bool) -> Child:
        return Child(self.name("w"), self.node(depth, False), self.dice.choice([None, "kid", "d"]))
