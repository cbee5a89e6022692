"""Pass many rows to one SQL statement as a table, in a single JSON parameter.

One parameter per value would cost the driver five times as much as writing the JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper

IN_ONE_STATEMENT = 500  # ids in one statement

T = TypeVar("T")


def in_portions(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split ids into portions that one statement may hold: databases have limits."""
    return (ids[at : at + IN_ONE_STATEMENT] for at in range(0, len(ids), IN_ONE_STATEMENT))


class Rowset:
    """The columns of such a table, each with its PostgreSQL type; at least two of them.

    ``Rowset(id="uuid", path="text to.path").select(conn, objects)`` returns a SELECT for
    ``WITH v AS (…)``, with its parameters. It has one row for each object; the values are the
    attributes with the columns' names, or at the path after the type.
    """

    def __init__(self, **columns: str) -> None:
        self.names = ", ".join(f'"{name}"' for name in columns)
        self._keys = tuple(columns)
        kinds = {name: kind.partition(" ") for name, kind in columns.items()}
        self._values = attrgetter(*(path or name for name, (_, _, path) in kinds.items()))
        self._typed = ", ".join(f'"{name}" {kind}' for name, (kind, _, _) in kinds.items())
        self._extracted = ", ".join(
            f"json_extract(value, '$.{name}') AS {name}" for name in columns
        )

    def select(self, conn: BaseDatabaseWrapper, objects: Sequence[Any]) -> tuple[str, list[Any]]:
        """A statement with a row for each object, in no particular order, and its parameters."""
        rows = [dict(zip(self._keys, self._values(one), strict=True)) for one in objects]
        if conn.vendor == "postgresql":
            # the planner takes the LIMIT for the number of rows; it would guess a hundred
            source = f"json_to_recordset(%s) AS r ({self._typed}) LIMIT {len(rows)}"
            return f"SELECT {self.names} FROM {source}", [_encoder(str).encode(rows)]  # nosec B608
        stored = conn.ops.adapt_datetimefield_value
        encoder = _encoder(lambda value: value.hex if isinstance(value, UUID) else stored(value))
        return f"SELECT {self._extracted} FROM json_each(%s)", [encoder.encode(rows)]  # nosec B608


def _encoder(default: Callable[[datetime | UUID], Any]) -> json.JSONEncoder:
    """An encoder that writes times and ids with ``default``."""
    return json.JSONEncoder(
        separators=(",", ":"), ensure_ascii=False, check_circular=False, default=default
    )
