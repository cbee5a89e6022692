"""Check the database: reachable, migrated, set up, its clock, notifications, table sizes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.db import Error, connections
from django.db.migrations.executor import MigrationExecutor

from durable import clock, conf
from durable.authoring.parse import registry
from durable.conf import database
from durable.management.doctor.findings import ERROR, INFO, WARNING, Finding
from durable.models import Event, Execution, Worker, audit_trigger
from durable.storage.notify import from_elsewhere
from durable.storage.transaction import of_its_own

OLDEST_POSTGRESQL = (14,)
SKEW = timedelta(seconds=5)
HEARD_WITHIN = 2.0  # seconds
MANY_FINISHED = MANY_EVENTS = 100_000
LARGE = 5_000_000_000  # bytes


def reachable() -> Iterator[Finding]:
    """Check that the database answers and is a supported version of PostgreSQL or SQLite."""
    connection = connections[database()]
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        yield Finding(
            "database-unreachable",
            ERROR,
            f"the database {database()!r} does not answer: {str(error).strip()}",
            "look at DATABASES, at the server and at the network between",
        )
        return
    wanted: Any = OLDEST_POSTGRESQL
    if connection.vendor == "postgresql":
        found = divmod(connection.pg_version, 10_000)  # type: ignore[attr-defined]
    elif connection.vendor == "sqlite":
        wanted = connection.features.minimum_database_version
        found = connection.get_database_version()
    else:
        yield Finding(
            "database-unsupported",
            ERROR,
            f"the database {database()!r} is {connection.vendor}",
            "durable works on PostgreSQL and SQLite: name another alias in DURABLE['DATABASE']",
        )
        return
    if tuple(found) < tuple(wanted):
        yield Finding(
            "database-too-old",
            ERROR,
            f"{connection.display_name} is version {'.'.join(map(str, found))}",
            f"upgrade to {'.'.join(map(str, wanted))} or newer",
        )


def migrated() -> Iterator[Finding]:
    """Check that all migrations are applied."""
    executor = MigrationExecutor(connections[database()])
    targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "durable"]
    missing = [step.name for step, _ in executor.migration_plan(targets)]
    if missing:
        yield Finding(
            "migrations-missing",
            ERROR,
            f"migrations of durable are not applied: {', '.join(missing)}",
            "run manage.py migrate",
            count=len(missing),
            samples=missing[:3],
        )


def audited() -> Iterator[Finding]:
    """Check that the database refuses changes of audit entries."""
    if not audit_trigger.is_installed(connections[database()]):
        yield Finding(
            "audit-unguarded",
            WARNING,
            "the trigger that keeps audit entries as they were written is not in this database",
            "run manage.py migrate durable 0009, then manage.py migrate durable",
        )


def on_time() -> Iterator[Finding]:
    """Check that this machine's clock agrees with the database's clock, by which all is timed."""
    before = clock.local_now()
    there = clock.read(database())
    skew = there - before if there < before else max(timedelta(0), there - clock.local_now())
    if abs(skew) > SKEW:
        behind = "behind" if skew < timedelta(0) else "ahead of"
        yield Finding(
            "clock-skew",
            WARNING,
            f"the database's clock is {abs(skew).total_seconds():.0f} s {behind} this machine's",
            "nothing fires wrongly (the database's clock counts), but logs and people disagree: "
            "look at NTP on both",
        )


def sqlite_set_up() -> Iterator[Finding]:
    """Check that SQLite lets readers and one writer work side by side."""
    connection = connections[database()]
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        (mode,) = cursor.fetchone()
    if str(mode).lower() != "wal":
        yield Finding(
            "sqlite-not-wal",
            WARNING,
            f"SQLite's journal_mode is {mode!r}: whoever writes holds up all who read",
            "set OPTIONS['init_command'] = 'PRAGMA journal_mode=WAL' in DATABASES",
        )
    begins = (connection.settings_dict.get("OPTIONS") or {}).get("transaction_mode")
    if str(begins).upper() != "IMMEDIATE":
        yield Finding(
            "sqlite-not-immediate",
            ERROR,
            f"SQLite begins its transactions in {begins or 'DEFERRED'} mode: workers that write "
            "at the same time fail with 'database is locked'",
            "set OPTIONS['transaction_mode'] = 'IMMEDIATE' in DATABASES",
        )


def pooled() -> Iterator[Finding]:
    """Check that the pool has a connection for each running step and for the worker itself."""
    shortage = conf.pool_shortage(connections[database()].settings_dict.get("OPTIONS") or {})
    if shortage is not None:
        yield Finding(
            "pool-too-small",
            WARNING,
            "the pool has {} connections, a worker with these queues uses up to {}".format(
                *shortage
            ),
            f"set OPTIONS['pool'] = {{'max_size': {shortage[1]}}}, or lower the concurrency",
        )


def heard() -> Iterator[Finding]:
    """Check that LISTEN and NOTIFY arrive; without them workers poll."""
    connection = connections[database()]
    if connection.vendor != "postgresql":
        return
    if not _arrives():
        yield Finding(
            "listen-unusable",
            WARNING,
            "notifications don't arrive on a connection of this process (a pooler in transaction "
            "mode?): workers poll",
            f"connect directly, or live with up to {conf.get('POLL_INTERVAL')} s (POLL_INTERVAL)",
        )
    deaf = Worker.objects.live().filter(listening=False)
    if count := deaf.count():
        yield Finding(
            "workers-not-listening",
            INFO,
            f"{count} live workers don't listen (a worker says so in its first seconds, too)",
            "they poll; nothing is lost",
            count=count,
            samples=[str(name) for name in deaf.values_list("name", flat=True)[:3]],
        )


def _arrives() -> bool:
    connection: Any = of_its_own()
    channel = f"durable_doctor_{uuid4().hex}"  # a channel of its own: no worker wakes up
    try:
        connection.ensure_connection()
        raw = connection.connection
        raw.execute(f"LISTEN {channel}")
        from_elsewhere(channel)
        return any(True for _ in raw.notifies(timeout=HEARD_WITHIN, stop_after=1))
    except Exception:  # whatever the driver raises, LISTEN can't be used
        return False
    finally:
        connection.close()


def room() -> Iterator[Finding]:
    """Report the size of the tables, and rows that nothing ever removes."""
    sizes = table_sizes()
    largest = sorted(sizes.items(), key=lambda pair: -pair[1])[:3]
    total = sum(sizes.values())
    yield Finding(
        "size",
        WARNING if total >= LARGE else INFO,
        f"the tables take {_bytes(total)}"
        + (f": {', '.join(f'{n} {_bytes(s)}' for n, s in largest)}" if largest else ""),
        "durable_cleanup --older-than removes what ended long ago" if total >= LARGE else "",
    )
    published = Event.objects.filter(execution__isnull=True).order_by()
    if published[:MANY_EVENTS].count() == MANY_EVENTS:
        yield Finding(
            "many-events",
            WARNING,
            f"{MANY_EVENTS} events or more lie in no execution's inbox",
            "who publishes them under keys that nobody carries? DURABLE['KEEP_EVENTS'] says how "
            "long they stay; durable_cleanup removes those whose time is over",
            count=MANY_EVENTS,
        )
    own = any(cls.definition.options.retention is not None for cls in registry.all())
    if conf.get("RETENTION") is not None or own:
        return
    ended = Execution.objects.filter(finished_at__isnull=False, parent__isnull=True).order_by()
    many = ended[: MANY_FINISHED + 1].count()
    if many > MANY_FINISHED:
        yield Finding(
            "no-retention",
            WARNING,
            f"more than {MANY_FINISHED} finished executions are kept, and nothing says how long",
            "set DURABLE['RETENTION'] (or Meta.retention) and run durable_cleanup each night",
            count=many,
        )


def table_sizes() -> dict[str, int]:
    """Bytes of each table with its indexes; for SQLite of the whole file."""
    connection = connections[database()]
    tables = [model._meta.db_table for model in apps.get_app_config("durable").get_models()]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT relname, pg_total_relation_size(oid) FROM pg_class "
                "WHERE relkind = 'r' AND relname = ANY(%s) AND pg_table_is_visible(oid)",
                [tables],
            )
            return {name: int(size) for name, size in cursor.fetchall()}
        cursor.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        (size,) = cursor.fetchone()
        return {"the database file": int(size)}


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
