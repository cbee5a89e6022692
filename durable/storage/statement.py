"""Statements whose SQL Django writes once: later calls only bind their values.

For the ORM it takes five to ten times as long to write a statement as it takes the driver to run
it, and a worker runs the same two dozen statements all the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple
from weakref import WeakSet

from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql import InsertQuery

from durable import clock
from durable.models.base import Change, changes_as_exceptions
from durable.models.given import Given, bound
from durable.storage.transaction import connection

_made = WeakSet["Statement"]()

_LIMIT = 1_987_654_321  # stands in the SQL for the limit that a call binds
_OFFSET = 1_234_567_891  # and for the offset


class _Compiled(NamedTuple):
    """A statement as Django has written it."""

    sql: str
    params: Sequence[Any]  # values, and ``Given`` where a call binds its own
    columns: Sequence[tuple[int, Any]] = ()  # those of a SELECT whose values Django converts
    read: Callable[[Sequence[Any]], Any] | None = None  # makes a result of a row; None: no SELECT


class Statement:
    """A SELECT, UPDATE, DELETE or INSERT of the engine, compiled once for each database.

    ``build`` takes a ``Given`` for each of its parameters, and returns a QuerySet (of instances or
    of ``values_list``), calls ``update`` or ``delete`` (of rows to which no others refer), or
    returns a new instance. It may depend on nothing else that changes, but for the clock and for
    the values that are ``fixed``: it gets these themselves, and is compiled for each.
    A call binds values by name and returns the rows, or the number of changed rows.
    The rows of a ``limited`` SELECT are bounded by the value ``limit`` of the call; with ``paged``
    they begin after as many as its ``offset``.
    """

    def __init__(
        self,
        build: Callable[..., Any],
        *,
        limited: bool = False,
        paged: bool = False,
        fixed: Sequence[str] = (),
    ) -> None:
        self._build, self._fixed = build, fixed
        self._limits = ["limit", "offset"] if paged else ["limit"] if limited else []
        code = build.__code__
        self._names = code.co_varnames[: code.co_argcount]
        #: by database, whether the clock is stopped, and the fixed values
        self._known: dict[tuple[Any, ...], _Compiled] = {}
        _made.add(self)

    def __call__(self, **values: Any) -> Any:
        conn = connection()
        compiled = self._compiled(conn, values)
        params = [
            bound(values[one.name], conn)
            if isinstance(one, Given)
            else one.bound(conn)
            if isinstance(one, clock.Stopped)
            else one
            for one in compiled.params
        ]
        with conn.cursor() as cursor:
            if compiled.read is None:
                with transaction.mark_for_rollback_on_error(conn.alias):
                    cursor.execute(compiled.sql, params)
                return cursor.rowcount
            cursor.execute(compiled.sql, params)
            rows = cursor.fetchall()
        return [compiled.read(row) for row in _converted(rows, compiled.columns, conn)]

    def _compiled(self, conn: BaseDatabaseWrapper, values: dict[str, Any]) -> _Compiled:
        key = (conn.alias, clock.frozen_at() is None, *(values[name] for name in self._fixed))
        compiled = self._known.get(key)
        if compiled is None:
            compiled = self._known[key] = self._compile(conn, values)
        return compiled

    def ahead(self, conn: BaseDatabaseWrapper) -> None:
        """Write the SQL now, unless it depends on values."""
        if not self._fixed:
            self._compiled(conn, {})

    def _compile(self, conn: BaseDatabaseWrapper, values: dict[str, Any]) -> _Compiled:
        given = [values[name] if name in self._fixed else Given(name) for name in self._names]
        with clock.kept():
            try:
                with changes_as_exceptions():
                    found = self._build(*given)
            except Change as change:
                return _Compiled(*change.query().get_compiler(conn.alias).as_sql())
            if isinstance(found, models.Model):
                return _Compiled(*_insert(found, conn))
            return self._compile_rows(found, conn)

    def _compile_rows(self, found: Any, conn: BaseDatabaseWrapper) -> _Compiled:
        if self._limits:
            first = _OFFSET if "offset" in self._limits else 0
            found = found[first : first + _LIMIT]
        compiler = found.query.get_compiler(conn.alias)
        sql, params = compiler.as_sql()
        if self._limits:  # no parameter comes after them
            sql = sql.replace(str(_LIMIT), "%s").replace(str(_OFFSET), "%s")
            params = (*params, *map(Given, self._limits))
        columns = [
            (at, column)
            for at, (column, *_) in enumerate(compiler.select)
            if conn.ops.get_db_converters(column) or column.get_db_converters(conn)
        ]
        return _Compiled(sql, tuple(params), columns, _reader(found, compiler))


def compile_all() -> None:
    """Write the SQL of every statement now, rather than at its first call; nothing is sent."""
    conn = connection()
    # Django writes a locking SELECT only in a transaction; one without a statement sends nothing
    locks = conn.features.has_select_for_update
    with transaction.atomic(using=conn.alias) if locks else nullcontext():
        for statement in list(_made):
            statement.ahead(conn)


def _insert(row: models.Model, conn: BaseDatabaseWrapper) -> tuple[str, Sequence[Any]]:
    query = InsertQuery(type(row))
    query.insert_values(row._meta.concrete_fields, [row], raw=True)
    ((sql, params),) = query.get_compiler(conn.alias).as_sql()
    return sql, params


def _reader(found: Any, compiler: Any) -> Callable[[Sequence[Any]], Any]:
    """What makes a result of a row, as the QuerySet would."""
    match found._iterable_class:
        case models.query.FlatValuesListIterable:
            return itemgetter(0)
        case models.query.ValuesListIterable:
            return tuple
        case models.query.ModelIterable:
            names = [expression.target.attname for expression, *_ in compiler.select]
            return partial(found.model.from_db, found.db, names)
    raise TypeError(f"a statement gives instances or values_list, not {found._iterable_class}")


def _converted(
    rows: Sequence[Sequence[Any]], columns: Sequence[tuple[int, Any]], conn: BaseDatabaseWrapper
) -> Iterator[Sequence[Any]]:
    """The rows as Python values, as ``SQLCompiler.apply_converters`` makes them."""
    known = [
        (at, column, [*conn.ops.get_db_converters(column), *column.get_db_converters(conn)])
        for at, column in (columns if rows else ())
    ]
    for row in map(list, rows):
        for at, column, converters in known:
            for convert in converters:
                row[at] = convert(row[at], column, conn)
        yield row
