"""Values in a statement: those that each call gives, and lists as one parameter."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

#: the SQL after a column for "has one of these values": one parameter, however many there are;
#: an array, for which indexes are used, or a JSON array, which is read as a table
AMONG = {"postgresql": "= ANY(%s)", "sqlite": "IN (SELECT value FROM json_each(%s))"}


class Given(models.Expression):
    """A value that each call of a statement binds under this name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """A placeholder, whose parameter is this marker."""
        return "%s", [self]


class _Several(models.Expression):
    """The values of a list as one parameter."""

    def __init__(self, values: Iterable[Any]) -> None:
        super().__init__()
        self.values = list(values)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", [bound(self.values, connection)]


class Among(models.Func):
    """Whether a column has one of several values: one parameter, however many there are."""

    output_field = models.BooleanField()

    def __init__(self, column: str, values: Iterable[Any] | Given) -> None:
        several = values if isinstance(values, Given) else _Several(values)
        super().__init__(models.F(column), several)

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **kwargs: Any) -> tuple[str, Any]:
        """The column, with the form of ``AMONG`` for this database."""
        (column, before), (values, after) = map(compiler.compile, self.get_source_expressions())
        return f"{column} {AMONG[connection.vendor] % values}", [*before, *after]


class ByKey(models.Func):
    """The value that a mapping has for each row's key, as one parameter; NULL without an entry."""

    def __init__(self, key: str, values: Given, output_field: Any) -> None:
        super().__init__(models.F(key), values, output_field=output_field)

    def as_postgresql(self, compiler: Any, connection: Any, **kwargs: Any) -> tuple[str, Any]:
        """From a ``jsonb`` object, in which the key is searched for."""
        kind = self.output_field.cast_db_type(connection)
        return self._in_form(f"(%s::jsonb ->> %s::text)::{kind}", compiler)

    def as_sqlite(self, compiler: Any, connection: Any, **kwargs: Any) -> tuple[str, Any]:
        """From a JSON object, parsed once a statement."""
        return self._in_form("json_extract(%s, '$.\"' || %s || '\"')", compiler)

    def _in_form(self, form: str, compiler: Any) -> tuple[str, Any]:
        (key, after), (values, before) = map(compiler.compile, self.get_source_expressions())
        return form % (values, key), [*before, *after]


def bound(value: Any, conn: BaseDatabaseWrapper) -> Any:
    """A value as the driver takes it."""
    if isinstance(value, dict):
        plain = {str(bound(key, conn)): _text(one, conn) for key, one in value.items()}
        return json.dumps(plain, ensure_ascii=False)
    if isinstance(value, str):
        return str(value)
    if conn.vendor == "postgresql":
        return value
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return conn.ops.adapt_datetimefield_value(value)
    if isinstance(value, list):
        return json.dumps(value, default=lambda one: bound(one, conn))
    return value


def _text(value: Any, conn: BaseDatabaseWrapper) -> str | None:
    """A value in a mapping: as text, from which the database casts it."""
    return None if value is None else str(bound(value, conn))
