"""Find rows by id, or by the first characters of an id, as people type and copy them."""

from __future__ import annotations

import re
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from durable.errors import DurableError

M = TypeVar("M", bound=Model)

HEX_DIGITS = 32
SHORTEST = 4
SHOWN = 5


class AmbiguousId(DurableError):
    """Several rows have ids with these first characters."""


class UnknownId(DurableError):
    """No row has an id with these first characters."""


def id_range(text: str) -> tuple[UUID, UUID] | None:
    """The lowest and highest UUID that begin with ``text``; ``None`` if none can."""
    digits = text.strip().replace("-", "").lower()
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        return None
    return UUID(digits.ljust(HEX_DIGITS, "0")), UUID(digits.ljust(HEX_DIGITS, "f"))


def begins_with(rows: QuerySet[M], text: str, column: str = "pk") -> QuerySet[M]:
    """The rows whose id begins with ``text``, as a range that an index can serve."""
    found = id_range(text)
    if found is None:
        return rows.none()
    return rows.filter(**{f"{column}__gte": found[0], f"{column}__lte": found[1]})


def find(rows: QuerySet[M], text: Any) -> M:
    """The one row whose id begins with ``text``; ``UnknownId``, ``AmbiguousId`` (names some).

    A text shorter than ``SHORTEST`` characters is ``UnknownId``, too.
    """
    text = str(text)
    name = rows.model._meta.verbose_name
    if id_range(text) is not None and len(text.replace("-", "")) < SHORTEST:
        raise UnknownId(f"{text!r} is too short: give at least {SHORTEST} characters of the id")
    found = list(begins_with(rows.order_by(), text)[: SHOWN + 1])
    if not found:
        raise UnknownId(f"there is no {name} whose id begins with {text!r}")
    if len(found) > 1:
        some = ", ".join(str(row.pk) for row in found[:SHOWN])
        more = ", …" if len(found) > SHOWN else ""
        raise AmbiguousId(f"several ids begin with {text!r}: {some}{more}")
    return found[0]
