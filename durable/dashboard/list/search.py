"""Find executions by an id, the beginning of an id, an idempotency key or a correlation key."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from durable.engine.operators.distinct import distinct
from durable.models import CorrelationKey, Execution
from durable.models.execution import ExecutionQuerySet
from durable.storage import ids

FOUND = 500  # ids that one search reads from each index
KEY_CHARACTERS = 255
WORDS = 10  # that one search may have


def words(text: str) -> list[str] | None:
    """The words of a search; ``None`` if there are too many or the text is too long."""
    found = text.replace("\x00", "").split()
    return found if len(found) <= WORDS and len(text) <= KEY_CHARACTERS else None


def search(rows: ExecutionQuerySet, text: str) -> ExecutionQuerySet:
    """The rows with this id or key: three queries, each with an index of its own."""
    text = text.strip()
    if not text:
        return rows
    if "\x00" in text or len(text) > KEY_CHARACTERS:
        return rows.none()
    return rows.filter(pk__in=_by_id(text) | _by_idempotency_key(text) | _by_correlation_key(text))


def _by_id(text: str) -> set[UUID]:
    """The roots of the executions whose id begins with ``text``."""
    found = ids.begins_with(Execution.objects.order_by(), text)
    return set(found.values_list("root_id", flat=True)[:FOUND])


def _by_idempotency_key(text: str) -> set[UUID]:
    # the unique index begins with the workflow, so the query names every workflow
    rows = Execution.objects.filter(workflow__in=distinct("workflow"), idempotency_key=text)
    return set(rows.order_by().values_list("pk", flat=True)[:FOUND])


def _by_correlation_key(text: str) -> set[UUID]:
    rows: QuerySet[Any] = CorrelationKey.objects.filter(key=text)
    return set(rows.order_by("-id").values_list("execution", flat=True)[:FOUND])
