"""The table of answer links: signed mail links with which one person answers one question."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from durable import clock
from durable.models.base import EngineManager, EngineQuerySet, user_key
from durable.models.fields import MomentField, uuid7
from durable.models.wait import Wait


class AnswerLinkQuerySet(EngineQuerySet["AnswerLink"]):
    """Queries for answer links."""

    def usable(self) -> Self:
        """Links that are unused and have not expired."""
        return self.filter(used_at__isnull=True, expires_at__gt=clock.now())


AnswerLinkManager = EngineManager.from_queryset(AnswerLinkQuerySet)


class AnswerLink(models.Model):
    """One link in one mail. The row alone opens nothing: it stores a digest of the link's nonce.

    ``account`` is a digest of the recipient's password at that time: a new password closes the
    link.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    wait = models.ForeignKey(Wait, models.CASCADE, related_name="links")
    recipient = user_key()  # None: the user is gone, and the link opens nothing
    decision = models.CharField(max_length=10, blank=True, default="")  # "": the page asks
    digest = models.CharField(max_length=64, editable=False)  # SHA-256 of the nonce
    account = models.CharField(max_length=64, null=True, editable=False)  # noqa: DJ001
    created_at = MomentField(editable=False)
    expires_at = MomentField(editable=False)
    used_at = models.DateTimeField(null=True, blank=True)

    objects = AnswerLinkManager()

    class Meta:
        verbose_name = _("answer link")
        verbose_name_plural = _("answer links")
        base_manager_name = "objects"
        default_permissions = ()
        ordering = ("created_at", "id")

    def __str__(self) -> str:
        return f"link to {self.wait_id} for {self.recipient_id}"
