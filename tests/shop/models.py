"""Rows that workflows of the suite write, to see what a crash or a rollback leaves of them."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Order(models.Model):
    """What an execution may be about (``Meta.subject = "shop.Order"``)."""

    reference = models.CharField(max_length=100, unique=True)
    status = models.CharField(max_length=50, default="new")
    total = models.DecimalField(max_digits=12, decimal_places=2, default=0)

    def __str__(self) -> str:
        return self.reference


class Note(models.Model):
    """A line that a step leaves behind, and the execution that it ran in."""

    text = models.TextField()
    execution_id = models.UUIDField(null=True, blank=True, db_index=True)

    def __str__(self) -> str:
        return self.text


class Effect(models.Model):
    """One effect, as often as it happened: the key is not unique, so a doubled one shows."""

    key = models.CharField(max_length=200, db_index=True)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.key
