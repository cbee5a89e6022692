"""A database router for engines whose database is not that of the users."""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS

from durable.conf import database

__all__ = ["DurableRouter"]

APP = "durable"


class DurableRouter:
    """Keeps durable's tables in ``DURABLE["DATABASE"]``, and nothing else there on their account.

    ``DATABASE_ROUTERS = ["durable.routers.DurableRouter", …]``. Users who are reached through a row
    of durable's (who answered, whom a link is for) come from Django's default database; name a
    router of your own before this one if they are elsewhere.
    """

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        """The alias for a model of durable's, or for what is reached through a row of one."""
        if model._meta.app_label == APP:
            return database()
        instance = hints.get("instance")
        return DEFAULT_DB_ALIAS if instance is not None and _is_ours(instance) else None

    db_for_write = db_for_read

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool | None:
        """A row of durable's may refer to a user of another database: by key, unconstrained."""
        return True if _is_ours(one) or _is_ours(other) else None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """Durable's tables are made in its own database only."""
        return db == database() if app_label == APP else None


def _is_ours(instance: Any) -> bool:
    return bool(instance._meta.app_label == APP)
