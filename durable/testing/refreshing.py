"""Read an execution's row again, as tests do all the time: a statement compiled once."""

from __future__ import annotations

from durable.models import Execution
from durable.storage.statement import Statement

_ROW = Statement(lambda pk: Execution.objects.filter(pk=pk))


def refreshed(execution: Execution) -> Execution:
    """The same object, with all columns read again, as by ``refresh_from_db``."""
    found: list[Execution] = _ROW(pk=execution.pk)
    if not found:
        raise Execution.DoesNotExist(f"the execution {execution.pk} is no longer there")
    columns = {name: value for name, value in vars(found[0]).items() if name != "_state"}
    vars(execution).update(columns)
    execution._state.fields_cache.clear()
    vars(execution).pop("_prefetched_objects_cache", None)
    return execution
