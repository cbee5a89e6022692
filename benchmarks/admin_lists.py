"""The pages of the admin over a million executions: database time of each, and its slowest plan.

``python benchmarks/admin_lists.py --executions 1000000 [--plans] [--only search]``

It works in a database of its own on the PostgreSQL of ``DATABASE_URL`` (or on an embedded one),
which is filled by INSERT … SELECT and dropped at the end; ``--keep NAME`` keeps it under that
name and, if it is there already, uses it as it is. Exits with 1 if a limit is exceeded.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
os.environ["DURABLE_TEST_DB"] = "postgres"

LIST_LIMIT, OVERVIEW_LIMIT = 100.0, 300.0  # milliseconds
RUNS = 5
LISTS = "/admin/durable/execution/"

#: as a UUIDv7 would be: 48 bits of milliseconds first; then the row's number, so that it is unique
ID = (
    "(lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '7' || "
    "lpad(to_hex({n} & 4095), 3, '0') || '8000' || lpad(to_hex({n}), 12, '0'))::uuid"
)

FILL = (
    # one in ten is an item, one in ten a child; the rest are roots
    """
    CREATE TEMPORARY TABLE made AS
    SELECT n, now() - (%(n)s - n) * (interval '30 days' / %(n)s) AS at,
           CASE WHEN n %% 10 = 8 THEN 'child' WHEN n %% 10 = 9 THEN 'item' ELSE 'root' END AS role,
           (hashint4(n) & 2147483647) %% 1000 AS dice
    FROM generate_series(0, %(n)s - 1) AS n
    """,
    "ALTER TABLE made ADD COLUMN id uuid",
    f"UPDATE made SET id = {ID.format(at='at', n='n')}",
    "ALTER TABLE made ADD PRIMARY KEY (n)",
    """
    INSERT INTO durable_execution (
        id, root_id, parent_id, parent_path, parent_visit, branch, index, role, awaited,
        unreported, released, workflow, version, kind, status, queue, home_queue, rank, ready_at,
        wake_at, fence, path, visit, attempt, attempt_floor, recoveries, journaled, input, data,
        tags, idempotency_key, subject_type, subject_id, pause_requested, cancel_reason,
        cancel_compensate, blocked_by, created_at, started_at, finished_at)
    SELECT
        id,
        CASE WHEN role = 'item' THEN up ELSE id END,
        CASE WHEN role <> 'root' THEN up END,
        CASE WHEN role = 'item' THEN 'notify' ELSE '' END, 1, '',
        CASE WHEN role = 'item' THEN n END, role, role <> 'root', FALSE, TRUE,
        flow, 1, flow || '@1', state, queue, queue, 0,
        CASE WHEN state = 'pending' AND dice %% 2 = 0 THEN at END,
        CASE WHEN state = 'waiting' OR (state = 'pending' AND dice %% 2 = 1)
             THEN at + interval '40 days' END,
        3, CASE WHEN state = 'completed' THEN '' ELSE 'ship' END, 1, 1, 0, 0, FALSE,
        '{"order": ' || n || ', "note": "' || repeat('x', 120) || '"}',
        '{"order": ' || n || ', "note": "' || repeat('x', 160) || '", "done": true}',
        CASE WHEN n %% 3 = 0 THEN jsonb_build_object('tenant', 't' || n %% 997,
             'tier', CASE WHEN dice < 500 THEN 'gold' ELSE 'blue' END) ELSE '{}' END,
        CASE WHEN role = 'root' AND n %% 4 = 0 THEN 'key-' || n END,
        CASE WHEN n %% 5 = 0 THEN 'shop.order' ELSE '' END,
        CASE WHEN n %% 5 = 0 THEN (n / 5)::text ELSE '' END,
        FALSE, '', FALSE, CASE WHEN state = 'blocked' THEN 'worker' ELSE '' END, at, at,
        CASE WHEN state IN ('completed', 'failed', 'cancelled', 'compensated')
             THEN at + interval '3 seconds' END
    FROM (
        SELECT made.*, parents.id AS up,
               CASE WHEN made.role = 'child' THEN 'send_one'
                    WHEN made.n %% 5003 = 1 THEN 'rare_flow'
                    WHEN made.dice < 600 THEN 'process_order'
                    WHEN made.dice < 900 THEN 'payment_flow' ELSE 'trial_reminder' END AS flow,
               CASE WHEN made.dice < 930 THEN 'completed' WHEN made.dice < 960 THEN 'failed'
                    WHEN made.dice < 965 THEN 'cancelled' WHEN made.dice < 970 THEN 'compensated'
                    WHEN made.dice < 985 THEN 'waiting' WHEN made.dice < 996 THEN 'pending'
                    WHEN made.dice < 999 THEN 'blocked' ELSE 'paused' END AS state,
               CASE WHEN made.n %% 7001 = 2 THEN 'rare' WHEN made.dice %% 10 = 0 THEN 'mail'
                    ELSE 'default' END AS queue
        FROM made LEFT JOIN made AS parents ON parents.n = made.n - made.n %% 10
    ) AS rows
    """,
    f"""
    INSERT INTO durable_correlationkey (id, execution_id, key, fresh)
    SELECT {ID.format(at="at", n="n")}, id, 'order:' || n, FALSE
    FROM made WHERE role = 'root' AND n %% 10 = 0
    """,
    f"""
    INSERT INTO durable_steprun (
        id, execution_id, path, visit, attempt, compensation, status, input, output, logs,
        recoveries, started_at, ended_at)
    SELECT {ID.format(at="at", n="n")}, id, step, 1, 1, FALSE,
           CASE WHEN dice < 960 THEN 'completed' ELSE 'failed' END, '{{}}', '{{}}', '', 0, at,
           at + interval '1 millisecond' * dice
    FROM (SELECT made.*, (ARRAY['validate', 'charge', 'ship'])[1 + n %% 3] AS step FROM made) AS s
    """,
    f"""
    INSERT INTO durable_event (id, execution_id, name, key, status, payload, created_at)
    SELECT {ID.format(at="at", n="n")}, id, 'payment.success', '', 'consumed', '{{}}', at
    FROM made WHERE role = 'root' AND n %% 5 = 0
    """,
    f"""
    INSERT INTO durable_auditentry (
        id, at, actor_name, action, execution_id, target, after, origin)
    SELECT {ID.format(at="at", n="n")}, at, 'kim', 'start', id, 'process_order', '{{}}', 'rest'
    FROM made WHERE role = 'root' AND n %% 5 = 0
    """,
)


def say(text: str) -> None:
    """One line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def pages(size: int) -> dict[str, tuple[str, float]]:
    """What is asked for, by name, with its limit in milliseconds."""
    from durable.models import CorrelationKey, Execution

    some = Execution.objects.roots().order_by("created_at")[size // 3]
    parent = Execution.objects.filter(role="child").order_by("-created_at")[100].parent_id
    key = Execution.objects.filter(idempotency_key__isnull=False).order_by("created_at")[100]
    correlation = CorrelationKey.objects.order_by("id")[100].key
    lists = {
        "list": "",
        "list, last page": "?p=40",
        "status completed": "?status=completed",
        "status failed": "?status=failed",
        "status blocked": "?status=blocked",
        "status compensating (none)": "?status=compensating",
        "workflow, common": "?workflow=process_order",
        "workflow, rare": "?workflow=rare_flow",
        "workflow of children only": "?workflow=send_one",
        "workflow, unknown": "?workflow=nothing",
        "rare workflow that failed": "?workflow=rare_flow&status=failed",
        "common workflow that is paused": "?workflow=trial_reminder&status=paused",
        "queue, common": "?queue=default",
        "queue, rare": "?queue=rare",
        "past hour": "?created=1h",
        "past 30 days": "?created=30d",
        "between two old times": "?from=2020-01-01T00:00&until=2020-02-01T00:00",
        "failed in the past 7 days": "?status=failed&created=7d",
        "tag, common": "?tag=tier=gold",
        "tag, rare": "?tag=tenant=t77",
        "tag, unknown": "?tag=tenant=nobody",
        "two tags": "?tag=tenant=t77,tier=gold",
        "tag and status": "?tag=tenant=t77&status=failed",
        "subject": "?subject=shop.order:77",
        "subject, model only": "?subject=shop.order",
        "with children": "?family=parents",
        "children only": "?family=children",
        "roots and children": "?family=all",
        "children of one": f"?parent={parent}",
        "oldest first": "?o=6",
        "search: id": f"?q={some.pk}",
        "search: 8 digits of an id": f"?q={str(some.pk)[:8]}",
        "search: 4 digits of an id": f"?q={str(some.pk)[:4]}",
        "search: idempotency key": f"?q={key.idempotency_key}",
        "search: correlation key": f"?q={correlation}",
        "search: nothing": "?q=nothing-at-all",
        "search with filters": f"?q={correlation}&status=completed&tag=tenant=t77",
    }
    return {
        **{name: (LISTS + query, LIST_LIMIT) for name, query in lists.items()},
        "execution": (f"{LISTS}{parent}/change/", LIST_LIMIT),
        "overview": (f"{LISTS}overview/", OVERVIEW_LIMIT),
        "workflows": (f"{LISTS}workflows/", OVERVIEW_LIMIT),
        "queues": ("/admin/durable/queue/", LIST_LIMIT),
        "workers": ("/admin/durable/worker/", LIST_LIMIT),
        "events": ("/admin/durable/event/", LIST_LIMIT),
        "audit": ("/admin/durable/auditentry/", LIST_LIMIT),
    }


class Watch:
    """The statements of a request, and how long the database took for each."""

    def __init__(self) -> None:
        self.statements: list[tuple[float, str, Any]] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        begun = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.statements.append(((time.perf_counter() - begun) * 1000, sql, params))

    @property
    def total(self) -> float:
        """Milliseconds in all."""
        return sum(took for took, *_ in self.statements)


def measure(options: argparse.Namespace) -> int:
    """One line for each page; how many exceed their limit."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    client = Client()
    user, _ = User.objects.get_or_create(username="bench", is_superuser=True, is_staff=True)
    client.force_login(user)
    exceeded = 0
    say(f"{'page':<34} {'queries':>7} {'best ms':>8} {'median':>8} {'slowest':>8}")
    for name, (address, limit) in pages(options.executions).items():
        if options.only and options.only not in name:
            continue
        runs = []
        for _run in range(RUNS):
            watch = Watch()
            with connection.execute_wrapper(watch):
                response = client.get(address)
            if response.status_code != 200:
                raise SystemExit(f"{address}: {response.status_code}")
            runs.append(watch)
        best = min(runs, key=lambda run: run.total)  # others may be at work on this machine
        median = statistics.median(run.total for run in runs)
        slowest = max(best.statements, key=lambda one: one[0])
        over = best.total > limit
        exceeded += over
        figures = f"{best.total:>8.1f} {median:>8.1f} {slowest[0]:>8.1f}"
        say(f"{name:<34} {len(best.statements):>7} {figures}{'  !' if over else ''}")
        if options.plans:
            explain(slowest[1], slowest[2])
    return exceeded


def explain(sql: str, params: Any) -> None:
    """The plan of a statement as it was run."""
    from django.db import connection

    if not sql.lstrip().upper().startswith(("SELECT", "WITH", "(")):
        return
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {sql}", params)
        for (line,) in cursor.fetchall():
            say(f"    {line[:150]}")


@contextmanager
def database(keep: str | None) -> Iterator[bool]:
    """The database to work in; whether it has to be filled."""
    import psycopg
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    name = keep or f"bench_admin_{os.getpid()}"
    values = settings.DATABASES["default"]
    asked = {"host": values["HOST"], "port": values["PORT"] or None, "user": values["USER"]}
    asked["password"] = values["PASSWORD"] or None
    asked = {key: value for key, value in asked.items() if value}
    with psycopg.connect(dbname=values["NAME"], autocommit=True, **asked) as server:
        known = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not known:
            server.execute(f'CREATE DATABASE "{name}"')
        connection.close()
        connection.settings_dict["NAME"] = name
        try:
            if not known:
                call_command("migrate", verbosity=0)
            yield not known
        finally:
            connection.close()
            if not keep:
                server.execute(f'DROP DATABASE "{name}"')


def fill(size: int) -> None:
    """Insert the rows, and let PostgreSQL look at them, as autovacuum would."""
    from django.db import connection

    begun = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SET max_parallel_workers_per_gather = 0")
        for statement in FILL:
            cursor.execute(statement, {"n": size} if "%(n)s" in statement else {})
        cursor.execute("RESET max_parallel_workers_per_gather")
        cursor.execute("VACUUM ANALYZE")
    say(f"{size} executions in {time.perf_counter() - begun:.0f} s")


def main() -> int:
    """Fill, measure, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executions", type=int, default=1_000_000)
    parser.add_argument("--plans", action="store_true", help="with the plan of the slowest query")
    parser.add_argument("--only", help="pages whose name has this in it")
    parser.add_argument("--keep", metavar="NAME", help="keep the database under this name")
    options = parser.parse_args()
    import django

    django.setup()
    with database(options.keep) as empty:
        if empty:
            fill(options.executions)
        exceeded = measure(options)
    say("all within their limits" if not exceeded else f"{exceeded} exceed their limit")
    return 1 if exceeded else 0


if __name__ == "__main__":
    raise SystemExit(main())
