"""Transactions: one per engine function, repeated after conflicts; savepoints and row locks."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from django.db import IntegrityError, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from durable.conf import database
from durable.errors import ControlFlow

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

ATTEMPTS = 4
SERIALIZATION_FAILURE = "40001"
#: serialization failure, deadlock, lock not available
RETRIABLE_SQLSTATES = frozenset({SERIALIZATION_FAILURE, "40P01", "55P03"})
UNIQUE_VIOLATION = "23505"


class StaleSnapshot(OperationalError):
    """A row conflicts that this transaction's snapshot is too old to show.

    Only above READ COMMITTED. As after a serialization failure, the transaction must run again: the
    engine repeats its own transactions, callers must repeat theirs.
    """


class Overtaken(OperationalError):
    """Rows that were read without a lock have changed before they were written.

    The transaction must run again, as after a serialization failure.
    """


def connection() -> BaseDatabaseWrapper:
    """This thread's connection to the engine's database."""
    return connections[database()]


def of_its_own() -> BaseDatabaseWrapper:
    """A new connection, apart from this thread's and from every pool; the caller closes it."""
    fresh = connections.create_connection(database())
    options = {k: v for k, v in fresh.settings_dict["OPTIONS"].items() if k != "pool"}
    fresh.settings_dict = {**fresh.settings_dict, "OPTIONS": options}
    return fresh


def is_retriable(error: BaseException) -> bool:
    """Whether the same transaction may succeed if it runs again, by the database's error."""
    if isinstance(error, (StaleSnapshot, Overtaken)):
        return True
    cause = error.__cause__
    if getattr(cause, "sqlstate", None) in RETRIABLE_SQLSTATES:
        return True
    return isinstance(error, OperationalError) and "database is locked" in str(error)


def insert(row: Model, again: Callable[[], T | None], *, unique: bool = True) -> T | None:
    """Insert a row; if its key is taken, return the row that ``again`` finds.

    Raises ``StaleSnapshot`` if the snapshot, above READ COMMITTED, does not show that row. Without
    ``unique`` the key can't be taken.
    """
    alias = database()
    try:
        with transaction.atomic(using=alias, savepoint=unique):
            row.save(force_insert=True, using=alias)
    except IntegrityError as error:
        known = again()
        if known is None and getattr(error.__cause__, "sqlstate", None) == UNIQUE_VIOLATION:
            raise stale() from error
        if known is None:
            raise
        return known
    return None


def in_transaction(function: Callable[P, R]) -> Callable[P, R]:
    """Run ``function`` in one transaction; inside the caller's, join that.

    As the outermost transaction it is repeated, at most three times, after a deadlock, a
    serialization failure or a busy database, which leave nothing of the first try.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        alias = database()
        if connections[alias].in_atomic_block:
            with transaction.atomic(using=alias, savepoint=False):
                return function(*args, **kwargs)
        return repeated(lambda: _alone(alias, function, args, kwargs))

    return run


def in_callers_transaction(function: Callable[P, R]) -> Callable[P, R]:
    """``in_transaction`` for public functions: a savepoint inside the user's own transaction.

    An error leaves nothing behind, and a caller who catches it can go on with the transaction.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        alias = database()
        if connections[alias].in_atomic_block:
            return _once(alias, function, args, kwargs)
        return repeated(lambda: _alone(alias, function, args, kwargs))

    return run


def in_one_statement(call: Callable[[], R], *, unique: bool) -> R:
    """``call()``, which writes in one statement: where no transaction is open, that is one.

    It is run again like an ``in_transaction``. In the caller's transaction it stands in a savepoint
    only if it is ``unique``: somebody else may be first with its key, and then it refuses, or there
    is a ``StaleSnapshot``. Nothing else is left to fail but the database itself.
    """
    alias = database()
    if connections[alias].in_atomic_block:
        try:
            with transaction.atomic(using=alias, savepoint=unique):
                return call()
        except OperationalError as error:
            if unique and getattr(error.__cause__, "sqlstate", None) == SERIALIZATION_FAILURE:
                raise stale() from error
            raise
    if is_strict():
        return repeated(lambda: _alone(alias, call, (), {}))
    return repeated(call)


def stale() -> StaleSnapshot:
    """The error for a row that is in the way and can't be seen."""
    return StaleSnapshot(
        "could not serialize access: somebody else was first with the same key or name, "
        "in a transaction that this one can't see; run the transaction again"
    )


def _alone(alias: str, function: Callable[..., R], args: Any, kwargs: Any) -> R:
    """Run one transaction in READ COMMITTED, whatever ``DATABASES`` says.

    Rows read under a lock must be newer than the lock.
    """
    with transaction.atomic(using=alias):
        if is_strict():
            with connection().cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        return function(*args, **kwargs)


def is_strict() -> bool:
    """Whether ``DATABASES`` sets an isolation above READ COMMITTED."""
    level = getattr(connection(), "isolation_level", None)
    return level is not None and level.name != "READ_COMMITTED"


def _once(alias: str, function: Callable[..., R], args: Any, kwargs: Any) -> R:
    with transaction.atomic(using=alias):
        return function(*args, **kwargs)


@contextmanager
def savepoint() -> Iterator[None]:
    """A savepoint inside a caller's transaction: an error in it leaves the rest usable.

    The end of the process (``KeyboardInterrupt``, ``SystemExit``) rolls nothing back, just as
    committed transactions stay where there is no caller's transaction.
    """
    alias = database()
    if not connections[alias].in_atomic_block:
        yield
        return
    end: BaseException | None = None
    with transaction.atomic(using=alias):
        try:
            yield
        except (Exception, ControlFlow):
            raise
        except BaseException as error:
            end = error
    if end is not None:
        raise end


def repeated(call: Callable[[], R]) -> R:
    """``call()``, repeated a few times after a retriable conflict."""
    for attempt in range(1, ATTEMPTS):
        try:
            return call()
        except OperationalError as error:
            if not is_retriable(error):
                raise
            step_aside(attempt)
    return call()


def step_aside(attempt: int) -> None:
    """Wait a short random time before a transaction is repeated."""
    time.sleep(random.uniform(0.002, 0.02) * attempt)  # noqa: TID251


def one_at_a_time(what: str) -> None:
    """Wait until all other transactions that called this with the same ``what`` have ended.

    On SQLite a writing transaction is alone anyway.
    """
    conn = connection()
    if conn.vendor == "postgresql":
        with conn.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [what])


def lock(queryset: Any, **options: Any) -> Any:
    """Lock rows ``FOR NO KEY UPDATE``: plain FOR UPDATE would block inserts that refer to them."""
    return queryset.select_for_update(no_key=True, of=("self",), **options)


def lock_out(queryset: Any) -> Any:
    """Lock rows to delete with ``FOR UPDATE``: no row that refers to them can be inserted.

    Rows that another transaction has locked, or refers to, are left out.
    """
    return queryset.select_for_update(of=("self",), skip_locked=True)
