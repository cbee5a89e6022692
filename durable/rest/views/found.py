"""Find the execution that an address means, if who asks may see it at all."""

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
    """An execution (or a part of one), and the execution whose permissions count for it."""

    row: Execution
    root: Execution

    @property
    def is_part(self) -> bool:
        """Whether it is a branch or an item."""
        return self.row.pk != self.root.pk


class ExecutionView(View):
    """A view about one execution: without permission to see it there is none."""

    def found(self, request: Request, text: str) -> Found:
        """The execution with this id; ``ExecutionNotFound``."""
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
        """Rows that belong to one execution, masked by what counts for that."""
        whole = self.reveals(found.root)
        return self.as_json(serializer, rows, reveals=lambda row: whole)


def id_of(text: str) -> UUID:
    """An id as it stands in an address; ``ExecutionNotFound``."""
    try:
        return UUID(text)
    except ValueError:
        raise unknown(text) from None
