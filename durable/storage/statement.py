"""Statements whose SQL Django writes once: later calls only bind their values.

For the ORM it takes five to ten times as long to write a statement as it takes the driver to run
it, and a worker runs the same two dozen statements all the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple
from weakref import WeakSet

from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql import UpdateQuery

from durable import clock
from durable.models.base import Update, updates_as_exceptions
from durable.models.given import Given, bound
from durable.storage.transaction import connection

_made = WeakSet["Statement"]()

_LIMIT = 1_987_654_321  # stands in the SQL for the limit that a call binds


class _Compiled(NamedTuple):
    """A statement as Django has written it."""

    sql: str
    params: Sequence[Any]  # values, and ``Given`` where a call binds its own
    columns: Sequence[tuple[int, Any]] = ()  # those of a SELECT whose values Django converts
    read: Callable[[Sequence[Any]], Any] | None = None  # makes a result of a row; None: an UPDATE


class Statement:
    """A SELECT or an UPDATE of the engine, compiled once for each database.

    ``build`` takes a ``Given`` for each of its parameters, and returns a QuerySet (of instances or
    of ``values_list``) or calls ``update``. It may depend on nothing else that changes, but for
    the clock. A call binds values by name and returns the rows, or the number of updated rows.
    The rows of a ``limited`` SELECT are bounded by the value ``limit`` of the call.
    """

    def __init__(self, build: Callable[..., Any], *, limited: bool = False) -> None:
        self._build, self._limited = build, limited
        code = build.__code__
        self._names = code.co_varnames[: code.co_argcount]
        #: for each database: the instant at which the clock is stopped, if it is, is in the SQL
        self._known: dict[str, tuple[datetime | None, _Compiled]] = {}
        _made.add(self)

    def __call__(self, **values: Any) -> Any:
        conn = connection()
        compiled = self._compiled(conn)
        params = [
            bound(values[one.name], conn) if isinstance(one, Given) else one
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

    def _compiled(self, conn: BaseDatabaseWrapper) -> _Compiled:
        at = clock.frozen_at()
        compiled_at, compiled = self._known.get(conn.alias, (None, None))
        if compiled is None or compiled_at != at:
            compiled = self._compile(conn)
            self._known[conn.alias] = at, compiled
        return compiled

    def _compile(self, conn: BaseDatabaseWrapper) -> _Compiled:
        try:
            with updates_as_exceptions():
                found = self._build(*map(Given, self._names))
        except Update as update:
            query: Any = update.rows.query.chain(UpdateQuery)
            query.add_update_values(update.values)
            return _Compiled(*query.get_compiler(conn.alias).as_sql())
        if self._limited:
            found = found[:_LIMIT]
        compiler = found.query.get_compiler(conn.alias)
        sql, params = compiler.as_sql()
        if self._limited:  # no parameter comes after it
            sql, params = sql.replace(str(_LIMIT), "%s"), (*params, Given("limit"))
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
            statement._compiled(conn)


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
