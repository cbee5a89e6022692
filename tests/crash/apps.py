"""An app of the child processes only: it brings their workflows, and arms their failpoints."""

from __future__ import annotations

from django.apps import AppConfig

from tests.crash.armed import arm_from_environment


class CrashConfig(AppConfig):
    """``tests.crash``; it has no models, so the parent's database does as it is."""

    name = "tests.crash"
    label = "crash"

    def ready(self) -> None:
        """Arm what the parent has asked for."""
        arm_from_environment()
