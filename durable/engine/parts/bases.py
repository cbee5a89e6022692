"""The data with which a block's items start, read once per block and process."""

from __future__ import annotations

from collections import OrderedDict
from functools import cached_property
from typing import Any

from durable import codec
from durable.engine.row.held import Claim, text_of
from durable.models import Execution

BLOCKS_KEPT = 64


class Base:
    """The base data: as text, decoded anew for each step, and as a shared value, never changed."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def value(self) -> Any:
        """The data, for comparisons only."""
        return codec.loads(self.text)


_blocks: OrderedDict[tuple[Any, ...], Base] = OrderedDict()


def base_of(claim: Claim) -> Base:
    """The data an item starts from: its own base in a sequence, else its parked parent's data."""
    if claim.base is not None:
        return Base(claim.base)
    assert claim.block is not None
    base = _blocks.get(claim.block)
    if base is None:
        parent = Execution.objects.filter(pk=claim.block[0])
        stored = parent.annotate(stored=text_of("data")).values_list("stored", flat=True).get()
        base = _blocks[claim.block] = Base(without_increments(stored))
        while len(_blocks) > BLOCKS_KEPT:
            _blocks.popitem(last=False)
    return base


def without_increments(data: str) -> str:
    """Data without its increments' memory: the base with which branches start."""
    return codec.dumps(codec.loads(data))
