"""Composed flows for real workers: decided by the seed of the run, the same in each process."""

from __future__ import annotations

import functools
import os
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.model.composer import Composer
from tests.model.compositions import START, Draft, Element, Node, Outage
from tests.model.walk import Walk
from tests.soak import place

FLOWS = 40  # half of them with an outage, which fails steps until an operator retries

#: how many steps a flow may complete
LEAST, MOST = 3, 12

PACE = 0.04  # of naps: 20 s are 0.8 s


def at_work(name: str, most: float = 0.2) -> None:
    """Be in the body of a step for a moment, and note it: a kill may come meanwhile."""
    who = f"{os.getpid()} {threading.get_ident()} {name}"
    place.note("bodies", f"begin {who}")
    time.sleep(random.uniform(0, most))
    place.note("bodies", f"end {who}")


class Busy(Outage):
    """Nothing is down, but a step takes a moment."""

    def meet(self, name: str, element: Element) -> None:
        at_work(name)


class Shared(Busy):
    """An outage in the phase that the runner has said."""

    def meet(self, name: str, element: Element) -> None:
        super().meet(name, element)
        Outage(int(place.said("phase", "0"))).meet(name, element)


@dataclass(frozen=True)
class Flow:
    """One composed workflow, and what a walk through it says."""

    name: str
    node: Node
    is_frank: bool

    @functools.cached_property
    def walk(self) -> tuple[Walk, Any]:
        """The walk, and the data at its end (``None``: it fails)."""
        walk = Walk()
        return walk, walk.end(self.node, START)

    @property
    def completes(self) -> bool:
        """Whether it ends well when left alone."""
        return self.walk[1] is not None

    @property
    def standing(self) -> Counter[str]:
        """How often each step has completed and stays so."""
        walk = self.walk[0] if self.completes else Walk()
        return walk.standing


def _flow(number: int, is_frank: bool) -> Flow:
    return Flow(f"flow{number}", Composer(number, is_frank=is_frank).compose(), is_frank)


@functools.cache
def flows() -> dict[str, Flow]:
    """The flows of this run by the names of their workflows."""
    known = place.said("flows", "")
    if known:
        numbers = map(int, known.split())
        return {each.name: each for each in (_flow(n, at % 2 == 1) for at, n in enumerate(numbers))}
    found: dict[int, Flow] = {}
    number = place.seed() * 1_000
    while len(found) < FLOWS:
        number += 1
        is_frank = len(found) % 2 == 1
        flow = _flow(number, is_frank)
        leaves = len(list(flow.node.leaves()))
        fits = LEAST <= leaves <= MOST and flow.walk[0].standing.total() <= MOST
        if fits and (flow.completes or not is_frank):
            found[number] = flow
    place.say("flows", " ".join(map(str, found)))
    return {flow.name: flow for flow in found.values()}


def define() -> None:
    """Register the workflows."""
    for flow in flows().values():
        outage, on_failure = (Shared(), "hold") if flow.is_frank else (Busy(), "compensate")
        Draft(flow.name, outage, on_failure, pace=PACE).define(flow.node)
