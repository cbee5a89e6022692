"""The settings: the dict ``DURABLE``, its defaults, read at each use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings

__all__ = [
    "configured",
    "database",
    "duration",
    "get",
    "queues",
]

DEFAULTS: Mapping[str, Any] = {
    "QUEUES": {"default": {"concurrency": 10}},
    "DATABASE": "default",
    "MAX_DATA_BYTES": 1024 * 1024,
    "MAX_COLLECTED_BYTES": 16 * 1024 * 1024,
    "LEASE": 60,
    "POLL_INTERVAL": 1,
    "SHUTDOWN_GRACE": 30,
    "RETENTION": None,
    "KEEP_EVENTS": timedelta(days=30),
    "WEBHOOKS": {},
    "LOG_CAPTURE": "INFO",
    "MASK": (
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "jwt",
        "api_key",
        "private_key",
        "credential",
        "authorization",
        "cookie",
        "session_id",
        "card_number",
        "cvc",
        "cvv",
        "iban",
        "<otp>",
        "<pin>",
        "<ssn>",
    ),
    "API_PERMISSIONS": (),
    "PUBLIC_URL": None,
}

QUEUE_OPTIONS = frozenset({"concurrency"})
DEFAULT_CONCURRENCY = 10


def configured() -> Mapping[str, Any]:
    """The user's current ``DURABLE`` dict (empty if there is none)."""
    value = getattr(settings, "DURABLE", None)
    return value if isinstance(value, Mapping) else {}


def get(name: str) -> Any:
    """The value of one setting, or its default."""
    return configured().get(name, DEFAULTS[name])


def database() -> str:
    """The alias of the database that holds the engine's tables."""
    return str(get("DATABASE"))


def duration(name: str) -> timedelta:
    """A setting that is a time span: a ``timedelta``, or a number of seconds."""
    value = get(name)
    return value if isinstance(value, timedelta) else timedelta(seconds=value)


#: pooled connections that a worker needs besides those of its steps: dispatcher and committer
BESIDE_STEPS = 2
POOLED = 4  # the default size of a psycopg pool


def pool_shortage(options: Mapping[str, Any]) -> tuple[int, int] | None:
    """``(size, wanted)`` if the pool in these ``OPTIONS`` is too small for a worker."""
    pool = options.get("pool")
    if not pool:
        return None
    sizes = pool if isinstance(pool, Mapping) else {}
    size = sizes.get("max_size") or sizes.get("min_size", POOLED)
    wanted = sum(queues().values()) + BESIDE_STEPS
    return (size, wanted) if size < wanted else None


def queues() -> dict[str, int]:
    """The configured queues, each with its concurrency per worker process."""
    return {
        name: int(options.get("concurrency", DEFAULT_CONCURRENCY))
        for name, options in get("QUEUES").items()
    }
