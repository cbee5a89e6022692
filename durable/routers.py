"""A database router, for an engine database apart from that of the users."""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS

from durable.conf import database

__all__ = ["DurableRouter"]

APP = "durable"


class DurableRouter:
    """Keeps durable's tables in ``DURABLE["DATABASE"]``; other apps' tables are not affected.

    ``DATABASE_ROUTERS = ["durable.routers.DurableRouter", …]``. Users related to a row of durable's
    (who answered, whom a link is for) are read from Django's default database; if they are
    elsewhere, name a router of your own before this one.
    """

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        """The alias for a model of durable's, or for an object related to one of its rows."""
        if model._meta.app_label == APP:
            return database()
        instance = hints.get("instance")
        return DEFAULT_DB_ALIAS if instance is not None and _is_ours(instance) else None

    db_for_write = db_for_read

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool | None:
        """Rows of durable's may refer to a user in another database: by key, unconstrained."""
        return True if _is_ours(one) or _is_ours(other) else None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """Durable's tables are created in the engine's database only."""
        return db == database() if app_label == APP else None


def _is_ours(instance: Any) -> bool:
    return bool(instance._meta.app_label == APP)
