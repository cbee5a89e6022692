"""Where an execution stands in its flow: one value, read from its row and written back whole."""

from __future__ import annotations

from typing import Any

from durable import codec
from durable.models.fields import Stored

#: frames hold copies of the data, one for each catch around the position
FRAMES_BYTES = 1 << 30


#: where an execution stands that is undoing steps: this, then the id of the step run
ROLLBACK = "~"


Frames = dict[str, dict[str, Any]]


def encode(frames: Frames) -> Stored | None:
    """Frames as they are stored; ``None`` if there are none."""
    return Stored(codec.dumps(frames, path="frames", limit=FRAMES_BYTES)) if frames else None
