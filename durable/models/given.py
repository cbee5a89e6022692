"""Values in a statement: those that each call gives, and lists as one parameter."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


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

    def as_postgresql(self, compiler: Any, connection: Any, **kwargs: Any) -> tuple[str, Any]:
        """With an array, for which indexes are used."""
        return self._in_form("%s = ANY(%s)", compiler)

    def as_sqlite(self, compiler: Any, connection: Any, **kwargs: Any) -> tuple[str, Any]:
        """With a JSON array, which is read as a table."""
        return self._in_form("%s IN (SELECT value FROM json_each(%s))", compiler)

    def _in_form(self, form: str, compiler: Any) -> tuple[str, Any]:
        (column, before), (values, after) = map(compiler.compile, self.get_source_expressions())
        return form % (column, values), [*before, *after]


def bound(value: Any, conn: BaseDatabaseWrapper) -> Any:
    """A value as the driver takes it."""
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
