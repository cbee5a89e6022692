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
    REMOVED = "removed", _("Being removed")  # its time is over: no door finds it any more


#: the roles of what has no address of its own: it belongs to the execution that its root is
PARTS = (Role.BRANCH, Role.ITEM)
