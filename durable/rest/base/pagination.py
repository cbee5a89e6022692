"""Pages with a cursor, read by a range of an index: a late page costs as much as the first."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import F, Func, Q, QuerySet, TextField, Value
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from durable.authoring.values import FIRST, LAST
from durable.rest.schema.operations import Parameter
from durable.storage.sizes import is_text

DEFAULT, LARGEST = 50, 200
#: rows read for one page where Python decides which of them to keep
LOOKED_AT = 1000

PARAMETERS = (
    Parameter("cursor", "The cursor of a `next` or `previous` address."),
    Parameter("page_size", f"How many rows, 1 to {LARGEST}; {DEFAULT} unless given.", "integer"),
)

#: Takes rows and returns those of them to keep.
Keep = Callable[[Sequence[Any]], Sequence[Any]]


class _Padded(Func):
    """SQLite's text of a time with all digits: a row written at a full second may have none."""

    template = "SUBSTR(%(expressions)s || '.000000', 1, 26)"
    output_field = TextField()


@dataclass(frozen=True)
class Order:
    """The columns of a list's order: a time and the id, or one unique column."""

    columns: tuple[str, ...]
    newest_first: bool = False

    def of(self, *, backwards: bool) -> list[str]:
        """The columns for ``order_by``."""
        sign = "-" if self.newest_first != backwards else ""
        return [f"{sign}{column}" for column in self.columns]

    def beyond(self, rows: QuerySet[Any], position: list[Any], *, backwards: bool) -> QuerySet[Any]:
        """The rows past a position: a range of the index on the time; the id decides among ties."""
        down = self.newest_first != backwards
        strictly, loosely = ("lt", "lte") if down else ("gt", "gte")
        if len(self.columns) == 1:
            return rows.filter(**{f"{self.columns[0]}__{strictly}": position[0]})
        moment, pk = self.columns
        edge: Any = position[0]
        compared, value = moment, edge
        if connections[rows.db].vendor == "sqlite":
            compared = "padded_moment"
            value = Value(edge.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"))
            rows = rows.alias(padded_moment=_Padded(F(moment)))
            edge = value if down else edge
        tie = Q(**{f"{compared}__{strictly}": value}) | Q(**{f"{pk}__{strictly}": position[1]})
        return rows.filter(tie, **{f"{moment}__{loosely}": edge})

    def position(self, row: Any) -> list[Any]:
        """The position of a row: its values of the columns."""
        return [getattr(row, column) for column in self.columns]

    def read(self, texts: Sequence[Any]) -> list[Any]:
        """A position from the texts of a cursor; raises ``ValueError``."""
        if len(texts) != len(self.columns) or not all(is_text(text) for text in texts):
            raise ValueError("not a position of this list")
        if len(texts) == 2:
            moment = datetime.fromisoformat(texts[0])
            if not FIRST < moment < LAST:
                raise ValueError("not a time")
            return [moment, UUID(texts[1])]
        return [UUID(texts[0]) if self.columns[0] == "id" else texts[0]]


NEWEST = Order(("created_at", "id"), newest_first=True)
OLDEST = Order(("created_at", "id"))


@dataclass(frozen=True)
class Cursor:
    """The position at which to read on, and the direction."""

    position: list[Any] | None = None
    backwards: bool = False

    def __str__(self) -> str:
        texts = [
            one.isoformat() if isinstance(one, datetime) else str(one)
            for one in self.position or ()
        ]
        text = json.dumps([int(self.backwards), *texts], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def of(cls, request: Request, order: Order) -> Cursor:
        """The request's cursor; raises ``ValidationError`` if it is not one of this list."""
        given = request.query_params.get("cursor")
        if not given:
            return cls()
        try:
            padding = "=" * (-len(given) % 4)
            found = json.loads(base64.b64decode(given + padding, altchars=b"-_", validate=True))
            backwards, *texts = found
            if backwards not in (0, 1):
                raise ValueError("not a direction")
            return cls(order.read(texts), bool(backwards))
        except (ValueError, TypeError, RecursionError, OverflowError):
            raise ValidationError({"cursor": ["It is not a cursor of this list."]}) from None


def page_size(request: Request) -> int:
    """The number of rows asked for; raises ``ValidationError``."""
    given = request.query_params.get("page_size")
    if not given:
        return DEFAULT
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= LARGEST):
        raise ValidationError({"page_size": [f"A whole number from 1 to {LARGEST}."]})
    return int(given)


@dataclass(frozen=True)
class Page:
    """Some rows of a list in its order, with the cursors of the next and the previous page."""

    rows: list[Any]
    next: Cursor | None
    previous: Cursor | None

    def answer(self, request: Request, shown: Sequence[Any]) -> Response:
        """The page as a response."""
        url = request.build_absolute_uri()
        links = {
            name: replace_query_param(url, "cursor", str(cursor)) if cursor is not None else None
            for name, cursor in (("next", self.next), ("previous", self.previous))
        }
        return Response({**links, "results": shown})


def page_of(request: Request, rows: QuerySet[Any], order: Order, keep: Keep | None = None) -> Page:
    """The page that a request asks for.

    With ``keep``, Python leaves rows out, and one request reads about ``LOOKED_AT`` rows at most: a
    page may be short and still have a ``next``.
    """
    cursor, size = Cursor.of(request, order), page_size(request)
    ordered = rows.order_by(*order.of(backwards=cursor.backwards))
    found: list[Any] = []
    position, looked_at, ended = cursor.position, 0, False
    while not ended and len(found) <= size and looked_at < LOOKED_AT:
        further = ordered
        if position is not None:
            further = order.beyond(ordered, position, backwards=cursor.backwards)
        chunk = list(further[: size + 1])
        found += chunk if keep is None else keep(chunk)
        looked_at, ended = looked_at + len(chunk), len(chunk) <= size
        position = order.position(chunk[-1]) if chunk else position
    further_on = None
    if len(found) > size:
        found = found[:size]
        further_on = order.position(found[-1])
    elif not ended:
        further_on = position
    back = order.position(found[0]) if found and cursor.position is not None else None
    return _page(found, further_on, back, backwards=cursor.backwards)


def _page(found: list[Any], on: Any, back: Any, *, backwards: bool) -> Page:
    ahead = Cursor(on, backwards) if on is not None else None
    behind = Cursor(back, not backwards) if back is not None else None
    if backwards:
        return Page(found[::-1], next=behind, previous=ahead)
    return Page(found, next=ahead, previous=behind)


def whole(shown: Sequence[Any]) -> Response:
    """A list with a single page."""
    return Response({"next": None, "previous": None, "results": list(shown)})
