"""``Role``: whether an execution is a root, branch, item or child, or is being removed."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """The role of an execution in its tree."""

    ROOT = "root", _("Root")
    BRANCH = "branch", _("Branch")
    ITEM = "item", _("Item")
    CHILD = "child", _("Child")
    REMOVED = "removed", _("Being removed")  # past its retention: no door finds it any more


#: the roles of executions without an address: they are parts of their root
PARTS = (Role.BRANCH, Role.ITEM)
