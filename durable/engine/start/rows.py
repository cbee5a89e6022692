"""Insert executions with their keys and wake a worker: one statement, where the database can.

Written by hand, as a start is little else than its statement. Django's ``save`` compiles 55 columns
anew for each row and sends BEGIN, INSERT, keys, NOTIFY and COMMIT one after the other: five round
trips, three times the CPU of the client and half as much again of the server. Here

* a column at its default is left out (NULL) or stands in the text: a dozen parameters remain, and
  the driver keeps the parsed text, as it does of short statements with few parameters;
* PostgreSQL inserts the row and its keys and notifies in one statement, which is a transaction of
  its own if none is open;
* an idempotency key is looked for by the INSERT (``ON CONFLICT``), not before it;
* many rows travel as one JSON parameter, with what all have in common once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper

from durable import clock
from durable.models import Execution
from durable.models.fields import MomentField, uuid7
from durable.storage import notify
from durable.storage.rowset import Rowset
from durable.storage.transaction import connection

AT_ONCE = 1000  # rows in one statement
CHARACTERS = 4_000_000  # of data in one statement

_INSERT = "INSERT INTO durable_execution ({columns}) {rows} {once} RETURNING {moments}"
_ONCE = "ON CONFLICT (workflow, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING"
_KEYS = "INSERT INTO durable_correlationkey (id, execution_id, key, fresh)"

#: the keys carry the ids that the inserted row returns: without a row there are none
_WITH_KEYS = f"""
WITH made AS ({_INSERT}, id),
keyed AS ({_KEYS} SELECT k.id, made.id, k.key, true FROM made, (VALUES {{keys}}) AS k (id, key))
SELECT {{moments}}, {{hint}} FROM made
"""  # nosec B608
_WITH_HINT = f"WITH made AS ({_INSERT}) SELECT {{moments}}, {{hint}} FROM made LIMIT 1"  # nosec B608

_BODIES = Rowset(id="uuid", data="text", frames="text")
_CARRIERS = Rowset(id="uuid", execution="uuid", key="text")


class StartedRow(NamedTuple):
    """What one of many executions has of its own: its id, and the text of its data and frames."""

    id: UUID
    data: str
    frames: str | None


class Carrier(NamedTuple):
    """A key of one of many executions."""

    id: UUID
    execution: UUID
    key: str


class _Column(NamedTuple):
    """A column; ``default`` stands in the statement as ``literal``, or is NULL and left out."""

    name: str
    attname: str
    field: Any
    default: Any
    literal: str | None


def insert(row: Execution, keys: Sequence[str] = ()) -> bool:
    """Insert an execution that carries ``keys``; False if its idempotency key is known already.

    The caller sees to a transaction, if ``in_one_statement(keys)`` is false.
    """
    conn = connection()
    parts, params = _written(row, conn, {})
    once = _ONCE if row.idempotency_key is not None else ""
    parts |= {"rows": f"VALUES ({parts['values']})", "once": once}
    if conn.vendor != "postgresql":
        found = _execute(conn, _INSERT.format(**parts), params)
        if found and keys:
            _insert_keys(conn, [Carrier(uuid7(), row.pk, key) for key in keys])
        return _take(row, found)
    hint = notify.Hint(conn)
    if keys:
        parts["keys"] = ", ".join(["(%s, %s)"] * len(keys))
        params += [value for key in keys for value in (uuid7(), key)]
    sql = (_WITH_KEYS if keys else _WITH_HINT).format(**parts, hint=hint.sql)
    found = _execute(conn, sql, [*params, *hint.params])
    if found:
        hint.given(heard=bool(found[0][-1]))
    return _take(row, found)


def in_one_statement(keys: Sequence[str]) -> bool:
    """Whether ``insert`` sends one statement only: without a transaction it is one by itself."""
    return not keys or connection().vendor == "postgresql"


def insert_many(like: Execution, bodies: Sequence[StartedRow], carriers: Sequence[Carrier]) -> None:
    """Insert an execution like ``like`` for each of ``bodies``, then their keys; and notify."""
    conn = connection()
    own = {"id": "v.id", "root_id": "v.id", "input": "v.data", "data": "v.data"}
    own["frames"] = "v.frames"
    for portion in _portions(bodies):
        parts, params = _written(like, conn, own)
        table, texts = _BODIES.select(conn, portion)
        # "WHERE true": SQLite would take what follows a table's name for a part of a join
        chosen = f"SELECT {parts['values']} FROM ({table}) AS v WHERE true"  # nosec B608
        parts |= {"rows": chosen, "once": ""}
        if conn.vendor != "postgresql":
            _take(like, _execute(conn, _INSERT.format(**parts), [*params, *texts]))
            continue
        hint = notify.Hint(conn)
        sql = _WITH_HINT.format(**parts, hint=hint.sql)
        found = _execute(conn, sql, [*params, *texts, *hint.params])
        hint.given(heard=bool(found[0][-1]))
        _take(like, found)
    for at in range(0, len(carriers), AT_ONCE):
        _insert_keys(conn, carriers[at : at + AT_ONCE])


def made(like: Execution, bodies: Sequence[StartedRow]) -> Iterator[Execution]:
    """The executions that ``insert_many`` has made; their data and frames are text."""
    fields = [field.attname for field in Execution._meta.concrete_fields]
    common, alias = [getattr(like, name) for name in fields], connection().alias
    own = [fields.index(name) for name in ("id", "root_id", "input", "data", "frames", "tags")]
    for body in bodies:
        values = common.copy()
        mine = (body.id, body.id, body.data, body.data, body.frames, {**like.tags})
        for at, value in zip(own, mine, strict=True):
            values[at] = value
        yield Execution.from_db(alias, fields, values)


def _insert_keys(conn: BaseDatabaseWrapper, carriers: Sequence[Carrier]) -> None:
    table, params = _CARRIERS.select(conn, carriers)
    sql = f"{_KEYS} SELECT v.id, v.execution, v.key, true FROM ({table}) AS v"  # nosec B608
    with conn.cursor() as cursor:
        cursor.execute(sql, params)


def _portions(bodies: Sequence[StartedRow]) -> Iterator[Sequence[StartedRow]]:
    """As many rows at once as a statement may well carry."""
    first = size = 0
    for at, body in enumerate(bodies):
        if at - first >= AT_ONCE or size >= CHARACTERS:
            yield bodies[first:at]
            first, size = at, 0
        size += len(body.data)
    if first < len(bodies):
        yield bodies[first:]


@functools.cache
def _columns(vendor: str) -> tuple[_Column, ...]:
    """The columns of an execution, as this database writes them."""
    conn = connection()
    made = []
    for field in Execution._meta.concrete_fields:
        default = None if field.primary_key else field.get_default()
        stored = None if default is None else field.get_db_prep_save(default, conn)
        name = conn.ops.quote_name(field.column or field.name)
        made.append(_Column(name, field.attname, field, default, _literal(stored)))
    return tuple(made)


def _literal(stored: Any) -> str | None:
    """A plain default as SQL text; ``None`` for what is sent as a parameter."""
    if isinstance(stored, bool):
        return "true" if stored else "false"
    if isinstance(stored, int):
        return str(stored)
    if isinstance(stored, str) and (stored.isalnum() or not stored):
        return f"'{stored}'"
    return None


def _written(
    row: Execution, conn: BaseDatabaseWrapper, own: dict[str, str]
) -> tuple[dict[str, str], list[Any]]:
    """The columns and values of an INSERT for ``row``, with the parameters.

    ``own`` are the columns of which each row has its own value, as expressions.
    """
    names, values, params, state = [], [], list[Any](), row.__dict__
    for column in _columns(conn.vendor):
        value = state[column.attname]
        if column.attname in own:
            written = own[column.attname]
        elif value is None:
            continue
        elif isinstance(value, clock.Now):
            written, shifted = clock.now_sql(conn, value.shift)
            params += shifted
        elif column.literal is not None and value == column.default:
            written = column.literal
        else:
            written = "%s"
            params.append(column.field.get_db_prep_save(value, conn))
        names.append(column.name)
        values.append(written)
    parts = {"columns": ", ".join(names), "values": ", ".join(values), "moments": _moments()[1]}
    return parts, params


@functools.cache
def _moments() -> tuple[tuple[str, ...], str]:
    """The columns that the clock of the database may have filled: as attributes, and as SQL."""
    fields = [field for field in Execution._meta.concrete_fields if isinstance(field, MomentField)]
    return tuple(field.attname for field in fields), ", ".join(field.attname for field in fields)


def _execute(conn: BaseDatabaseWrapper, sql: str, params: list[Any]) -> list[Any]:
    with conn.cursor() as cursor:
        cursor.execute(sql, params)
        found: list[Any] = cursor.fetchall()  # SQLite commits when the last row has been read
        return found


def _take(row: Execution, found: list[Any]) -> bool:
    """Give ``row`` the times that the database has written; False if it has written no row."""
    if not found:
        return False
    for name, value in zip(_moments()[0], found[0], strict=False):
        setattr(row, name, None if value is None else clock.parse(value))
    row._state.adding, row._state.db = False, connection().alias
    return True
