"""What only our engine is asked: fillers, the testing kit, the statements of trees."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.engines import Engine

#: as a UUIDv7 of an earlier time would be, so that copies come before all that is started later
COPY = (
    "(lpad(to_hex(x'010000000000'::bigint + {salt} + n), 12, '0') || '70008000' "
    "|| lpad(to_hex(n), 12, '0'))::uuid"
)
#: rows that one statement copies
PORTION = 50_000


class Probes(Engine):
    """The part of our engine's file that no peer has."""

    def started(self) -> Any:
        """Roots started by this client."""
        raise NotImplementedError

    def results(self, expected: int) -> int:
        """Completed roots whose counter is ``expected``."""
        ended = self.started().filter(status="completed").values_list("data", flat=True)
        return sum(data["n"] == expected for data in ended.iterator())

    def held(self) -> int:
        """Executions in a worker's hands."""
        return int(self.started().filter(worker__isnull=False).count())

    def steps(self) -> int:
        """Completed steps in the database."""
        from durable.models import StepRun

        return StepRun.objects.filter(status="completed").count()

    def expect_children(self, items: int) -> None:
        """``AssertionError`` unless the parent has collected the result of every child."""
        (parent,) = self.started()
        collected = parent.data["ended"]
        assert parent.status == "completed", (parent.status, parent.error)
        assert [child["n"] for child in collected] == [1] * items, len(collected)

    # -- copies -------------------------------------------------------------------------------

    def oldest(self) -> str:
        """The id of the first root."""
        return str(self.started().order_by("pk")[0].pk)

    def samples(self) -> dict[str, str]:
        """The ids of a sleeping and of a finished root."""
        asleep = self.started().get(finished_at__isnull=True)
        finished = self.started().get(finished_at__isnull=False)
        return {"sleepers": str(asleep.pk), "finished": str(finished.pk)}

    def fill(self, sample: str, begin: int, end: int) -> None:
        """Copy a root, its waits and its steps so often; each copy has ids of its own."""
        from django.db import connection

        from durable.models import Execution, StepRun, Wait

        salt = int(sample.replace("-", ""), 16) % 500 * 1_000_000_000
        new = COPY.format(salt=salt)
        for first in range(begin, end, PORTION):
            numbers: dict[str, int | str] = {
                "first": first,
                "last": min(end, first + PORTION) - 1,
                "sample": sample,
            }
            for model in (Execution, Wait, StepRun):
                with connection.cursor() as cursor:
                    cursor.execute(_copy(model, Execution, new), numbers)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")

    # -- the testing kit -----------------------------------------------------------------------

    def kit_claims(self, count: int) -> float:
        """Seconds in which ``drain`` works off so many one-step executions."""
        import durable
        from benchmarks.app.workflows import One
        from durable.testing import drain

        with _rolled_back():
            durable.start_many(One, [{"n": 0, "key": ""}] * count)
            begun = time.perf_counter()
            drained = drain()
            seconds = time.perf_counter() - begun
            assert drained >= count, drained
            assert self._count("completed") == count
        return seconds

    def kit_children(self, items: int) -> float:
        """Seconds in which ``run`` runs a foreach of so many items with a child each."""
        from benchmarks.app.workflows import Children
        from durable.testing import run

        with _rolled_back():
            begun = time.perf_counter()
            execution = run(Children, {"items": items})
            seconds = time.perf_counter() - begun
            assert execution.status == "completed", execution.error
            assert len(execution.data["ended"]) == items
        return seconds

    # -- statements ------------------------------------------------------------------------------

    def fail_tree(self, size: int) -> int:
        """Statements in which a tree of so many levels runs, fails at the bottom, rolls back."""
        from benchmarks.app.workflows import Tree
        from durable.testing import drain

        execution = _start(Tree, {"n": 0, "depth": size - 1, "fail": True})
        found = _statements(drain)
        assert self._status(execution) == "compensated", self._status(execution)
        return found

    def cancel_tree(self, size: int) -> int:
        """Statements in which a tree, parked at the bottom, is cancelled and rolled back."""
        import durable
        from benchmarks.app.workflows import Tree
        from durable.testing import drain

        execution = _start(Tree, {"n": 0, "depth": size - 1, "fail": False})
        drain()

        def cancel() -> None:
            durable.cancel(execution, compensate=True)
            drain()

        found = _statements(cancel)
        assert self._status(execution) == "compensated", self._status(execution)
        return found

    def cancel_crowd(self, size: int) -> int:
        """Statements in which one execution with so many waiting children is cancelled."""
        import durable
        from benchmarks.app.workflows import Crowd
        from durable.testing import drain

        execution = _start(Crowd, {"items": size})
        drain(100_000)
        assert self._count("waiting", role="child") == size

        def cancel() -> None:
            durable.cancel(execution)
            drain()

        found = _statements(cancel)
        assert self._count("cancelled", role="child") == size
        return found

    def _count(self, status: str, **of: Any) -> int:
        from durable.models import Execution

        return Execution.objects.filter(status=status, **of).count()

    def _status(self, execution: Any) -> str:
        from durable.models import Execution

        return Execution.objects.get(pk=execution).status


def _start(workflow: Any, data: dict[str, Any]) -> Any:
    import durable

    return durable.start(workflow, data).id


@contextmanager
def _rolled_back() -> Iterator[None]:
    """A transaction that leaves nothing, as each test of a ``TestCase`` has."""
    from django.db import transaction

    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _statements(act: Callable[[], object]) -> int:
    """How many statements the database is sent."""
    from django.db import connection

    count = 0

    def counted(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal count
        count += 1
        return execute(sql, params, many, context)

    with connection.execute_wrapper(counted):
        act()
    return count


def _copy(model: Any, execution: Any, new: str) -> str:
    """INSERT … SELECT of a model's rows: those of the sample, once for each number."""
    names, values, of_sample = [], [], "id"
    for field in model._meta.concrete_fields:
        target = getattr(field.remote_field, "model", None)
        is_owner = field.name == "execution" or (model is execution and field.primary_key)
        if is_owner:
            of_sample = field.column
        own = is_owner or field.primary_key or field.name == "root_id"
        assert own or target is None or field.null, field
        names.append(field.column)
        values.append(new if own else f'sample."{field.column}"')
    quoted, chosen = ", ".join(f'"{name}"' for name in names), ", ".join(values)
    return (
        f"INSERT INTO {model._meta.db_table} ({quoted}) SELECT {chosen} "
        f"FROM {model._meta.db_table} AS sample, "
        "generate_series(%(first)s, %(last)s) AS n "
        f"WHERE sample.{of_sample} = %(sample)s"
    )
