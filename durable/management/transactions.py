"""Refuse commands inside an open transaction, except the transaction of a test."""

from __future__ import annotations

from django.core.management.base import CommandError
from django.db import connections, transaction


def refuse_open(command: str, advice: str) -> None:
    """Raise ``CommandError`` if this thread has a transaction open, on any database."""
    if _open():
        raise CommandError(f"{command} can't work inside a transaction: {advice}")


def of_a_test(command: str) -> bool:
    """Whether this thread is inside the transaction of a ``TestCase``.

    Raises ``CommandError`` inside any other: its rollback would undo the command's work.
    """
    found = _open()
    for alias in found:
        try:
            with transaction.atomic(using=alias, durable=True, savepoint=False):
                pass
        except RuntimeError as error:
            raise CommandError(
                f"{command} can't work inside a transaction, which undoes its work if it is "
                "rolled back: call it after the commit"
            ) from error
    return bool(found)


def _open() -> list[str]:
    used = connections.all(initialized_only=True)
    return [connection.alias for connection in used if connection.in_atomic_block]
