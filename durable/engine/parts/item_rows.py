"""Insert the rows of a foreach's items by SQL: one statement for each portion of items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from durable import clock
from durable.models import Execution
from durable.storage.rowset import Rowset
from durable.storage.transaction import connection

_ITEMS = Rowset(id="uuid", number="integer", element="text")

_INSERT = """
WITH v AS ({rows})
INSERT INTO durable_execution ({columns})
SELECT {values} FROM v
"""


class Item(NamedTuple):
    """The values in which one item differs; ``element`` is its item and index as text."""

    id: UUID
    number: int
    element: str


def insert(template: Execution, items: Sequence[Item], turns: int) -> None:
    """Insert ``items`` as copies of ``template``; those numbered below ``turns`` have a turn.

    A template with data means a sequence: only the first item gets the data now.
    """
    conn = connection()
    now, now_params = clock.now_sql(conn)
    has_turn = f"v.number < {int(turns)}"
    rows, params = _ITEMS.select(conn, items)
    own: dict[str, tuple[str, list[Any]]] = {
        "id": ("v.id", []),
        "index": ("v.number", []),
        "input": ("v.element", []),
        "released": (has_turn, []),
        "ready_at": (f"CASE WHEN {has_turn} THEN {now} END", now_params),
        "created_at": (now, now_params),
    }
    columns, values = [], []
    for field in Execution._meta.concrete_fields:
        columns.append(conn.ops.quote_name(field.column or field.name))
        if field.name in own:
            value, value_params = own[field.name]
        else:
            stored = field.get_db_prep_save(getattr(template, field.attname), conn)
            value, value_params = "%s", [stored]
            if field.name in ("data", "base") and stored is not None:
                value = "CASE WHEN v.number = 0 THEN %s END"
        values.append(value)
        params += value_params
    sql = _INSERT.format(rows=rows, columns=", ".join(columns), values=", ".join(values))
    with conn.cursor() as cursor:
        cursor.execute(sql, params)
