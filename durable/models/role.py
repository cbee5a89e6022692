"""What an execution is to its parent."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """What an execution is to its parent."""

    ROOT = "root", _("Root")
    BRANCH = "branch", _("Branch")
    ITEM = "item", _("Item")
    CHILD = "child", _("Child")
