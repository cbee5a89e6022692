"""The manager of every table: it works on the database that ``DURABLE["DATABASE"]`` names."""

from __future__ import annotations

from typing import TypeVar

from django.db import models

from durable.conf import database

M = TypeVar("M", bound=models.Model)


class EngineManager(models.Manager[M]):
    """A manager bound to the engine's database alias, whatever the routers say."""

    use_in_migrations = False

    def get_queryset(self) -> models.QuerySet[M]:
        """All rows, on the engine's alias (a related manager follows its instance)."""
        queryset = super().get_queryset()
        return (
            queryset if self._db or getattr(self, "instance", None) else queryset.using(database())
        )
