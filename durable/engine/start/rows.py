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
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from durable import clock
from durable.engine.start.prepared import PID, execute
from durable.models import Execution
from durable.models.fields import MomentField, uuid7
from durable.storage import notify
from durable.storage.rowset import Rowset
from durable.storage.transaction import connection

HEARD = -2  # the column of a result that says whether a worker is notified; the last is PID

AT_ONCE = 1000  # rows in one statement
CHARACTERS = 4_000_000  # of data in one statement
KNOWN = 500  # texts that are kept: each combination of given columns has one

_INSERT = "INSERT INTO durable_execution ({columns}) {rows} {once} RETURNING {moments}"
_ONCE = "ON CONFLICT (workflow, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING"
_KEYS = "INSERT INTO durable_correlationkey (id, execution_id, key, fresh)"

#: the keys carry the ids that the inserted row returns: without a row there are none
_WITH_KEYS = f"""
WITH made AS ({_INSERT}, id),
keyed AS ({_KEYS} SELECT k.id, made.id, k.key, true FROM made, (VALUES {{keys}}) AS k (id, key))
SELECT {{moments}}, {{hint}}, {PID} FROM made
"""  # nosec B608
_WITH_HINT = f"WITH made AS ({_INSERT}) SELECT {{moments}}, {{hint}}, {PID} FROM made LIMIT 1"  # nosec B608

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


class _Parts(NamedTuple):
    """The text of an INSERT for rows that leave the same columns at their defaults."""

    columns: str
    values: str
    #: the attributes sent as parameters, with what makes a parameter of their value, if needed
    given: tuple[tuple[str, Callable[..., Any] | None], ...]
    #: columns that are read back, beside ``created_at``; those in ``now`` equal that
    moments: tuple[str, ...]
    now: tuple[str, ...]

    @property
    def read(self) -> str:
        """The columns of the result."""
        return ", ".join(("created_at", *self.moments))


#: of each of many rows
_OWN = (
    ("id", "v.id"),
    ("root_id", "v.id"),
    ("input", "v.data"),
    ("data", "v.data"),
    ("frames", "v.frames"),
)


def unsaved(**own: Any) -> Execution:
    """An execution that is in no table yet; as ``Execution(**own)``, at a tenth of its CPU."""
    values: Any = (_defaults() | {"tags": {}} | own).values()
    made: Execution = Execution(*values)
    return made


def insert(row: Execution, keys: Sequence[str] = ()) -> bool:
    """Insert an execution that carries ``keys``; False if its idempotency key is known already.

    The caller sees to a transaction, if ``in_one_statement(keys)`` is false.
    """
    conn = connection()
    parts, params = _written(row, conn)
    once = row.idempotency_key is not None
    if conn.vendor != "postgresql":
        found = execute(conn, _single(parts, once), params)
        if found and keys:
            _insert_keys(conn, [Carrier(uuid7(), row.pk, key) for key in keys])
        return _take(row, found, parts, conn.alias)
    hint = notify.Hint(conn)
    params += [value for key in keys for value in (uuid7(), key)]
    sql = _single(parts, once, len(keys), hint.sql)
    found = execute(conn, sql, [*params, *hint.params])
    if found:
        hint.given(heard=bool(found[0][HEARD]))
    return _take(row, found, parts, conn.alias)


def in_one_statement(keys: Sequence[str]) -> bool:
    """Whether ``insert`` sends one statement only: without a transaction it is one by itself."""
    return not keys or connection().vendor == "postgresql"


def insert_many(like: Execution, bodies: Sequence[StartedRow], carriers: Sequence[Carrier]) -> None:
    """Insert an execution like ``like`` for each of ``bodies``, then their keys; and notify."""
    conn = connection()
    for portion in _portions(bodies):
        parts, params = _written(like, conn, _OWN)
        table, texts = _BODIES.select(conn, portion)
        # "WHERE true": SQLite would take what follows a table's name for a part of a join
        chosen = f"SELECT {parts.values} FROM ({table}) AS v WHERE true"  # nosec B608
        shared = {"columns": parts.columns, "rows": chosen, "once": "", "moments": parts.read}
        if conn.vendor != "postgresql":
            found = execute(conn, _INSERT.format(**shared), [*params, *texts])
            _take(like, found, parts, conn.alias)
            continue
        hint = notify.Hint(conn)
        sql = _WITH_HINT.format(**shared, hint=hint.sql)
        found = execute(conn, sql, [*params, *texts, *hint.params])
        hint.given(heard=bool(found[0][HEARD]))
        _take(like, found, parts, conn.alias)
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
def _defaults() -> dict[str, Any]:
    """The columns of an unsaved execution, in their order."""
    fields = Execution._meta.concrete_fields
    return {field.attname: None if field.primary_key else field.get_default() for field in fields}


def _literal(value: Any) -> str | None:
    """A plain default as SQL text; ``None`` for what is sent as a parameter."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and (value.isalnum() or not value):
        return f"'{value!s}'"
    return "'{}'" if value == {} else None


def _written(
    row: Execution, conn: BaseDatabaseWrapper, own: tuple[tuple[str, str], ...] = ()
) -> tuple[_Parts, list[Any]]:
    """The text of an INSERT for ``row``, and its parameters.

    ``own`` are the columns of which each row has its own value, as expressions.
    """
    state, params = row.__dict__, list[Any]()
    # a value that equals a default without being that object is sent, which writes the same
    other = tuple([name for name, value in _defaults().items() if state[name] is not value])
    if not state["tags"]:
        other = tuple([name for name in other if name != "tags"])
    times = tuple(
        [(name, bool(state[name].shift)) for name in other if type(state[name]) is clock.Now]
    )
    parts = _parts(conn.alias, other, times, own, clock.frozen_at() is not None)
    for name, prepare in parts.given:
        value = state[name]
        if isinstance(value, clock.Now):
            params += clock.now_sql(conn, value.shift)[1]
        else:
            params.append(value if prepare is None else prepare(value, conn))
    return parts, params


@functools.lru_cache(maxsize=KNOWN)
def _parts(
    alias: str,
    other: tuple[str, ...],
    times: tuple[tuple[str, bool], ...],
    own: tuple[tuple[str, str], ...],
    frozen: bool,
) -> _Parts:
    """The text for rows whose columns ``other`` are not at their defaults.

    ``times`` are those of them that the database's clock fills, shifted or not; ``frozen``, if that
    clock is stopped by a test.
    """
    conn, clocked, special = connections[alias], dict(times), dict(own)
    names, values = list[str](), list[str]()
    given = list[tuple[str, Callable[..., Any] | None]]()
    plain = (models.CharField, models.IntegerField)
    fields = Execution._meta.concrete_fields
    for field in fields:
        name, default = field.attname, _defaults()[field.attname]
        if name in special:
            written = special[name]
        elif name in clocked:
            written, params = clock.now_sql(conn, timedelta(int(clocked[name])))
            if params:
                given.append((name, None))
        elif name not in other and default is None:
            continue
        else:
            literal = None if name in other else _literal(default)
            written = "%s" if literal is None else literal
            if literal is None:
                as_it_is = isinstance(field, plain)
                given.append((name, None if as_it_is else field.get_db_prep_save))
        names.append(conn.ops.quote_name(field.column or field.name))
        values.append(written)
    now = tuple(name for name, shifted in times if not shifted)
    sent = {name for name, _ in given} | clocked.keys()
    moments = [field.attname for field in fields if isinstance(field, MomentField)]
    read = tuple(name for name in moments if name in sent and name not in (*now, "created_at"))
    return _Parts(", ".join(names), ", ".join(values), tuple(given), read, now)


@functools.lru_cache(maxsize=KNOWN)
def _single(parts: _Parts, once: bool, keys: int = 0, hint: str = "") -> str:
    """The statement that inserts one row with so many keys; with ``hint`` it notifies."""
    texts = {"columns": parts.columns, "rows": f"VALUES ({parts.values})", "hint": hint}
    texts |= {"once": _ONCE if once else "", "moments": parts.read}
    texts["keys"] = ", ".join(["(%s, %s)"] * keys)
    form = _INSERT if not hint else _WITH_KEYS if keys else _WITH_HINT
    return form.format(**texts)


def _take(row: Execution, found: list[Any], parts: _Parts, alias: str) -> bool:
    """Give ``row`` the times that the database has written; False if it has written no row."""
    if not found:
        return False
    state = row.__dict__
    created, *others = map(clock.parse, found[0][: 1 + len(parts.moments)])
    state |= dict.fromkeys(parts.now, created)
    state |= zip(parts.moments, others, strict=True)
    row._state.adding, row._state.db = False, alias
    return True
