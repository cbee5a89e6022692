"""How long a day of the example is."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from durable import days


def day() -> timedelta:
    """A day, unless the settings say that the example's days are shorter (``make demo`` does)."""
    length: timedelta = getattr(settings, "EXAMPLE_DAY", days(1))
    return length
