"""Count the ignored webhooks of each source: those without a matching template."""

from __future__ import annotations

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from durable import clock
from durable.models.base import EngineManager
from durable.models.fields import MomentField

LONGEST_REASON = 500


class IgnoredWebhooksManager(EngineManager["IgnoredWebhooks"]):
    """The manager of the counts, which only go up."""

    def note(self, source: str, reason: str) -> None:
        """Count one more ignored webhook of a source, with the reason."""
        now, shown = clock.now(), reason[:LONGEST_REASON]
        self.bulk_create([IgnoredWebhooks(source=source, last_at=now)], ignore_conflicts=True)
        self.filter(source=source).update(count=F("count") + 1, last_at=now, last_reason=shown)


class IgnoredWebhooks(models.Model):
    """The count of ignored webhooks of one source."""

    source = models.CharField(max_length=100, primary_key=True)
    count = models.PositiveBigIntegerField(default=0)
    last_at = MomentField(editable=False)
    last_reason = models.CharField(max_length=LONGEST_REASON, blank=True, default="")

    objects = IgnoredWebhooksManager()

    class Meta:
        verbose_name = _("ignored webhooks")
        verbose_name_plural = _("ignored webhooks")
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.source}: {self.count}"
