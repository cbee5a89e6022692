"""The database trigger that refuses changes to audit entries, also by plain SQL.

An update that changes nothing passes (``loaddata`` of existing rows, whose times Django has cut
to the millisecond), and so does the deletion of a user: the key to the actor becomes null. Rows
may be deleted by SQL, for retention; Django's own ``delete`` is refused by the model.

A migration that alters the table has to call ``install`` again: on SQLite, Django creates such a
table anew, and a trigger is dropped with its table.
"""

from __future__ import annotations

from typing import Any

NAME = "durable_auditentry_stays"
TABLE = "durable_auditentry"
REFUSAL = "audit entries can't be changed"

_POSTGRESQL = """
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF date_trunc('milliseconds', NEW.at) = date_trunc('milliseconds', OLD.at) THEN
    NEW.at = OLD.at;
  END IF;
  IF to_jsonb(NEW) - 'actor_id' IS DISTINCT FROM to_jsonb(OLD) - 'actor_id'
     OR (NEW.actor_id IS NOT NULL AND NEW.actor_id IS DISTINCT FROM OLD.actor_id) THEN
    RAISE EXCEPTION '{refusal}' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS {name} ON {table};
CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}();
"""

_SQLITE = """
CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW
WHEN {differs} OR (NEW.actor_id IS NOT NULL AND NEW.actor_id IS NOT OLD.actor_id)
BEGIN SELECT RAISE(ABORT, '{refusal}'); END
"""


def install(connection: Any) -> None:
    """Install the trigger, or replace an existing one."""
    words = {"name": NAME, "table": TABLE, "refusal": REFUSAL.replace("'", "''")}
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL.format(**words))
            return
        columns = connection.introspection.get_table_description(cursor, TABLE)
        names = [column.name for column in columns if column.name != "actor_id"]
        differs = " OR ".join(f'NEW."{name}" IS NOT OLD."{name}"' for name in names)
        cursor.execute(f"DROP TRIGGER IF EXISTS {NAME}")
        cursor.execute(_SQLITE.format(differs=differs, **words))


def remove(connection: Any) -> None:
    """Remove the trigger, before its migration is reversed."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"DROP TRIGGER IF EXISTS {NAME} ON {TABLE}")
            cursor.execute(f"DROP FUNCTION IF EXISTS {NAME}()")
        else:
            cursor.execute(f"DROP TRIGGER IF EXISTS {NAME}")


def is_installed(connection: Any) -> bool:
    """Whether this database has the trigger."""
    question = (
        "SELECT 1 FROM pg_trigger WHERE tgname = %s AND tgrelid = to_regclass(%s)"
        if connection.vendor == "postgresql"
        else "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = %s AND tbl_name = %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(question, [NAME, TABLE])
        return cursor.fetchone() is not None
