"""The table that bodies write one row to, and the subject of executions that have one."""

from __future__ import annotations

from django.db import models


class Row(models.Model):
    """One row that a step has written."""

    text = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.text
