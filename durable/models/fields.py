"""Column types: UUIDv7 keys, data in the codec's text, times of the database's clock, tags."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import models

from durable import codec

if TYPE_CHECKING:
    _Text = models.TextField[Any, Any]
    _DateTime = models.DateTimeField[Any, Any]
else:
    _Text, _DateTime = models.TextField, models.DateTimeField

_lock = threading.Lock()
_last = 0

_AT_ONCE = 512  # random bytes asked for at once: each request lets other threads run first
_random = b""


def _after_fork() -> None:
    """A forked process neither uses its parent's random bytes, nor waits for its threads."""
    global _lock, _random
    _lock, _random = threading.Lock(), b""


os.register_at_fork(after_in_child=_after_fork)


def uuid7() -> UUID:
    """A time-ordered UUID (RFC 9562, section 5.7), strictly increasing within this process.

    48 bits of Unix milliseconds, then 12 bits of a finer fraction (method 3 of section 6.2),
    then 62 random bits. Ids order rows only where times tie.
    """
    global _last, _random
    fine = time.time_ns() * 4096 // 1_000_000
    with _lock:
        _last = fine = max(fine, _last + 1)
        if not _random:
            _random = os.urandom(_AT_ONCE)
        random, _random = int.from_bytes(_random[:8], "big") & ((1 << 62) - 1), _random[8:]
    high = (fine >> 12 & ((1 << 48) - 1)) << 80 | 7 << 76 | (fine & 0xFFF) << 64
    return UUID(int=high | 2 << 62 | random)


class Stored(str):
    """Text already written by the codec: a ``DataField`` stores it unchanged."""

    __slots__ = ()


class DataField(_Text):
    """Values as text written by the codec: key order, types and numbers survive.

    Text rather than ``jsonb``, which would reorder keys and turn ``1e22`` into an integer.
    """

    _pyi_private_set_type: Any  # for type checkers: any value, not only text
    _pyi_private_get_type: Any
    _pyi_lookup_exact_type: Any

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        """Read a column: decode to the Python value that was stored."""
        return None if value is None else codec.loads(value)

    def get_prep_value(self, value: Any) -> str | None:
        """Write a column; ``NotSerializable`` if the value can't be stored."""
        if value is None:
            return None
        return str(value) if isinstance(value, Stored) else codec.dumps(value, path=self.name)

    def to_python(self, value: Any) -> Any:
        """A value from a fixture, which contains the stored text."""
        if not isinstance(value, str):
            return value
        try:
            codec.loads(value)
        except ValueError as error:
            raise ValidationError(f"{self.name} is no stored value: {error}") from error
        return Stored(value)

    def value_from_object(self, obj: models.Model) -> Any:
        """The value for serializers: the stored text, also of a time or a number."""
        value = super().value_from_object(obj)
        if value is None or isinstance(value, Stored):
            return value
        return Stored(codec.dumps(value, path=self.name, keep_increments=True, limit=sys.maxsize))

    def value_to_string(self, obj: models.Model) -> str:
        """The value for fixtures: the stored text."""
        return self.value_from_object(obj) or ""

    def formfield(self, **kwargs: Any) -> Any:
        """``None``: forms can't edit it, as only the engine writes it."""
        return None


class HasTag(models.Func):
    """Whether a row has a tag with this name and value (names are never lookups)."""

    output_field = models.BooleanField()

    def __init__(self, name: str, value: Any, *, indexed: bool = True) -> None:
        """``indexed=False`` skips the index, for a tag of so many rows that it would not help."""
        codec.dumps({name: value}, path="tags")
        super().__init__(models.F("tags"))
        self.name, self.value, self.indexed = name, value, indexed

    def as_postgresql(self, compiler: Any, connection: Any, **kwargs: Any) -> tuple[str, list[Any]]:
        tags, params = compiler.compile(self.source_expressions[0])
        exactly = f"({tags} -> %s::text) = %s::jsonb"
        values = [*params, self.name, json.dumps(self.value)]
        if not self.indexed:
            return f"({exactly})", values
        # the index alone matches too much where values nest
        indexed = f"{tags} <> '{{}}'::jsonb AND {tags} @> %s::jsonb"
        tag = json.dumps({self.name: self.value})
        return f"({indexed} AND {exactly})", [*params, *params, tag, *values]

    def as_sqlite(self, compiler: Any, connection: Any, **kwargs: Any) -> Any:
        tags, params = compiler.compile(self.source_expressions[0])
        test = f"EXISTS (SELECT 1 FROM json_each({tags}) AS tag WHERE tag.key = %s AND "  # nosec B608
        params = [*params, self.name]
        if self.value is None or isinstance(self.value, bool):
            return f"{test}tag.type = %s)", [*params, json.dumps(self.value)]
        if isinstance(self.value, str):
            return f"{test}tag.type = 'text' AND tag.value = %s)", [*params, self.value]
        if isinstance(self.value, int | float):
            numbers = "tag.type IN ('integer', 'real') AND tag.value = %s"
            return f"{test}{numbers})", [*params, _as_sqlite_reads(self.value)]
        return f"{test}tag.value = json(%s))", [*params, json.dumps(self.value)]


def _as_sqlite_reads(number: float) -> float:
    """A number as SQLite reads it in JSON: a whole number of more than 64 bits becomes a float."""
    if isinstance(number, float) or -(2**63) <= number < 2**63:
        return number
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


class MomentField(_DateTime):
    """A time written as an expression of the database's clock, and returned by INSERT.

    Times are sent in UTC: PostgreSQL refuses offsets of 16 hours and more, which Python allows.
    """

    db_returning = True

    def get_prep_value(self, value: Any) -> Any:
        """A time in UTC, which every database takes."""
        prepared = super().get_prep_value(value)
        return in_utc(prepared) if isinstance(prepared, datetime) else prepared


def in_utc(moment: datetime) -> datetime:
    """The same instant in UTC; the first or last possible one if UTC lies beyond the calendar."""
    if moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        return first if moment.year == 1 else last
