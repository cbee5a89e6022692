"""The Django app: loads system checks, mails and each app's ``workflows.py``, at start."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_save
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

__all__ = [
    "DurableConfig",
]


class DurableConfig(AppConfig):
    """``durable`` in ``INSTALLED_APPS``."""

    name = "durable"
    label = "durable"
    verbose_name = _("Durable workflows")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Load the parts that need all apps: checks, mails, the workflows of all apps."""
        import_module("durable.checks")
        import_module("durable.door_checks")
        import_module("durable.people.reach.mail").connect()
        autodiscover_modules("workflows")
        post_migrate.connect(register_schedules, sender=self)
        pre_save.connect(make_room, sender=self.get_model("Schedule"))


def register_schedules(using: str, plan: Any = (), **kwargs: Any) -> None:
    """After ``migrate``: register the declared schedules, if this is the engine's database."""
    import_module("durable.engine.calendar.deployed").register_after_migrate(using)


def make_room(instance: Any, raw: bool, using: str, **kwargs: Any) -> None:
    """Before a fixture loads a schedule: remove the one that ``migrate`` made with another id."""
    if raw:
        import_module("durable.engine.calendar.deployed").give_way(instance, using)
