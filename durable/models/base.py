"""The base manager of all tables, bound to the database ``DURABLE["DATABASE"]``; keys to users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from django.conf import settings
from django.db import models
from django.db.models.sql import DeleteQuery, UpdateQuery

from durable.conf import database

M = TypeVar("M", bound=models.Model)


def forget_user(collector: Any, field: Any, rows: Any, using: str) -> None:
    """``on_delete`` for keys to users: like ``SET_NULL``, but in the engine's database."""
    collector.add_field_update(field, None, rows.using(database()))


forget_user.lazy_sub_objs = True  # type: ignore[attr-defined]


def user_key() -> Any:
    """A foreign key to a user, without a constraint: users may live in another database."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        forget_user,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
    )


class Change(Exception):
    """The update (or without ``values`` the deletion) that a QuerySet was asked for."""

    def __init__(self, rows: models.QuerySet[Any], values: dict[str, Any] | None) -> None:
        self.rows, self.values = rows, values

    def query(self) -> Any:
        """The query of the UPDATE or DELETE."""
        if self.values is None:
            return self.rows.query.chain(DeleteQuery)
        query: Any = self.rows.query.chain(UpdateQuery)
        query.add_update_values(self.values)
        return query


_only_asked = ContextVar("only_asked", default=False)


@contextmanager
def changes_as_exceptions() -> Iterator[None]:
    """Within, ``update`` and ``delete`` of the engine's tables only raise ``Change``."""
    token = _only_asked.set(True)
    try:
        yield
    finally:
        _only_asked.reset(token)


class EngineQuerySet(models.QuerySet[M]):
    """Rows of a table of the engine."""

    def update(self, **values: Any) -> int:
        """As every QuerySet does it."""
        if _only_asked.get():
            raise Change(self, values)
        return super().update(**values)

    def delete(self) -> tuple[int, dict[str, int]]:
        """As every QuerySet does it."""
        if _only_asked.get():
            raise Change(self, None)
        return super().delete()

    delete.queryset_only = True  # type: ignore[attr-defined]
    delete.alters_data = True  # type: ignore[attr-defined]


class EngineManager(models.Manager[M]):
    """A manager bound to the engine's database alias, regardless of the routers."""

    use_in_migrations = False

    def get_queryset(self) -> models.QuerySet[M]:
        """All rows, on the engine's alias (a related manager follows its instance)."""
        queryset = super().get_queryset()
        return (
            queryset if self._db or getattr(self, "instance", None) else queryset.using(database())
        )
