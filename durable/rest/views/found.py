"""Find the execution of an address; 404 unless the user may see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rest_framework.request import Request

from durable.doors import access
from durable.models import PARTS, Execution
from durable.rest.base.view import View
from durable.storage.lookup import unknown


@dataclass(frozen=True)
class Found:
    """An execution, branch or item, with the root execution whose permissions count."""

    row: Execution
    root: Execution

    @property
    def is_part(self) -> bool:
        """Whether it is a branch or an item."""
        return self.row.pk != self.root.pk


class ExecutionView(View):
    """A view about one execution; 404 unless the user may see it."""

    def found(self, request: Request, text: str) -> Found:
        """The execution, branch or item with this id; raises ``ExecutionNotFound``."""
        pk = id_of(text)
        root: Execution | None = access.visible(request.user).filter(pk=pk).first()
        row = root
        if root is None:
            parts = Execution.objects.filter(role__in=PARTS)
            row = parts.filter(pk=pk).first()
            if row is not None:
                root = access.visible(request.user).filter(pk=row.root_id).first()
        if row is None or root is None:
            raise unknown(text)
        self.check_object_permissions(request, root)
        return Found(row, root)

    def as_json_of(self, found: Found, serializer: Any, rows: Any) -> Any:
        """Rows of one execution as JSON, masked by the permissions of its root."""
        whole = self.reveals(found.root)
        return self.as_json(serializer, rows, reveals=lambda row: whole)


def id_of(text: str) -> UUID:
    """The id in an address; raises ``ExecutionNotFound``."""
    try:
        return UUID(text)
    except ValueError:
        raise unknown(text) from None
