"""What the arguments of commands name: an execution by the beginning of its id, a workflow."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from durable.authoring import Workflow, registry
from durable.errors import WorkflowNotFound
from durable.models import Execution

LISTED = 5


def find_execution(text: str) -> Execution:
    """The execution whose id begins with ``text``; ``CommandError`` if none or several do.

    One that has an id of its own goes before the branches and items of others.
    """
    digits = text.strip().lower().replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        raise CommandError(
            f"{text[:100]!r} is not an execution's id, nor the beginning of one: "
            "ids consist of 32 hexadecimal digits (dashes may be left out)."
        )
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    rows = Execution.objects.filter(pk__gte=first, pk__lte=last).order_by("pk")
    found = list(rows.roots()[: LISTED + 1]) or list(rows[: LISTED + 1])
    if len(found) == 1:
        return found[0]
    if not found:
        newest = Execution.objects.roots().order_by("-created_at", "-id")[:LISTED]
        raise CommandError(f"There is no execution {text}.{_listed('The newest are', newest)}")
    more = ", …" if len(found) > LISTED else ""
    listed = _listed("Say which of", found[:LISTED])
    raise CommandError(f"Several executions have ids that begin with {text}.{listed}{more}")


def _listed(what: str, rows: Any) -> str:
    names = ", ".join(f"{row.pk} ({row.workflow}, {row.status})" for row in rows)
    return f" {what}: {names}" if names else ""


def find_workflow(text: str) -> type[Workflow]:
    """The workflow ``name`` (its highest version) or ``name@version``; ``CommandError``."""
    name, at, version = text.rpartition("@")
    try:
        if at and version.isascii() and version.isdigit():
            return registry.resolve(name, int(version))
        return registry.resolve(text)
    except WorkflowNotFound as error:
        raise CommandError(str(error)) from error
