"""Serializer fields that mask stored values in JSON, unless the user may see payloads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest_framework import serializers

from durable.showing.masking import Masking
from durable.showing.values import plain

#: Whether the user may see the masked values of a row; in the serializers' context.
Reveals = Callable[[Any], bool]


class _Masked(serializers.JSONField):
    """A value of a row, masked unless the user may see the payload."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, **options)

    def get_attribute(self, instance: Any) -> Any:
        return instance, super().get_attribute(instance)

    def to_representation(self, value: Any) -> Any:
        row, found = value
        reveals: Reveals = self.context["reveals"]
        return plain(self.shown(row, found, Masking(off=found is None or reveals(row))))

    def shown(self, row: Any, value: Any, masking: Masking) -> Any:
        """The JSON to answer with."""
        raise AssertionError("one of the kinds below")


class MaskedData(_Masked):
    """Users' data or a wait's payload: values of keys that look secret are masked."""

    def shown(self, row: Any, value: Any, masking: Masking) -> Any:
        """The masked value as JSON."""
        return masking.value(value)


class MaskedAnswer(_Masked):
    """The answer to a question: masked as a whole if the question's name looks secret."""

    def shown(self, row: Any, value: Any, masking: Masking) -> Any:
        """The masked answer as JSON."""
        return masking.answer(row.name, value)


class MaskedChange(_Masked):
    """The value before or after a change in the audit trail."""

    def shown(self, row: Any, value: Any, masking: Masking) -> Any:
        """The masked value as JSON."""
        return masking.change(row.action, row.target, value)


class MaskedText(_Masked):
    """A text that may quote data."""

    def shown(self, row: Any, value: Any, masking: Masking) -> Any:
        """The text with its secrets masked."""
        return masking.text(value)


class MaskedError(_Masked):
    """An error, its texts masked too; ``brief``: without the traceback."""

    def __init__(self, *, brief: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.brief = brief

    def shown(self, row: Any, value: Any, masking: Masking) -> Any:
        """The masked error: ``{"type", "message", "step", …}``."""
        if self.brief and value is not None:
            value = {name: value.get(name) for name in ("type", "message", "step")}
        return masking.value(value)


class MaskedLogs(_Masked):
    """Captured log records: ``[{"at", "level", "logger", "message"}]``."""

    def shown(self, row: Any, value: Any, masking: Masking) -> Any:
        """The records with their messages masked."""
        return masking.logs(value)
