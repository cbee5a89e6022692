"""Jobs for django-crontab, for hosts without a resident worker; importable from settings.

In settings: ``from durable.crontab import CRONJOBS`` (or ``CRONJOBS = [*durable_jobs, …]`` beside
jobs of your own), ``"django_crontab"`` in ``INSTALLED_APPS``; then, on each deploy,
``manage.py crontab add``.
"""

from __future__ import annotations

__all__ = [
    "CRONJOBS",
    "clean_up",
    "tick",
]

TICK = "durable.crontab.tick"
CLEAN_UP = "durable.crontab.clean_up"

#: due work each minute, clean-up each night
CRONJOBS: list[tuple[str, str]] = [("* * * * *", TICK), ("30 3 * * *", CLEAN_UP)]


def tick() -> None:
    """One pass of schedules, timers and due work."""
    from django.core.management import call_command

    call_command("durable_tick", verbosity=0)


def clean_up() -> None:
    """Remove executions and other rows past their retention."""
    from django.core.management import call_command

    call_command("durable_cleanup", verbosity=0)
