"""How stored values are shown in JSON, and what of them is hidden from whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest_framework import serializers

from durable.showing.masking import Masking
from durable.showing.values import plain

#: Whether the user of a request may see the masked values of a row; in the serializers' context.
Reveals = Callable[[Any], bool]


class _Masked(serializers.JSONField):
    """A value of a row, masked unless the user may see it whole."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, **options)

    def get_attribute(self, instance: Any) -> Any:
        return instance, super().get_attribute(instance)

    def to_representation(self, value: Any) -> Any:
        row, found = value
        reveals: Reveals = self.context["reveals"]
        return plain(self.shown(row, found, Masking(off=found is None or reveals(row))))

    def shown(self, row: Any, value: Any, masking: Masking) -> Any:
        """What is answered."""
        raise AssertionError("one of the kinds below")


class MaskedData(_Masked):
    """Users' data, or what a wait has got: secret-looking keys have their values hidden."""

    def shown(self, row: Any, value: Any, masking: Masking) -> Any:
        """Plain JSON."""
        return masking.value(value)


class MaskedAnswer(_Masked):
    """What somebody has answered; the name of the question may look secret, too."""

    def shown(self, row: Any, value: Any, masking: Masking) -> Any:
        """Plain JSON."""
        return masking.answer(row.name, value)


class MaskedChange(_Masked):
    """What was before or after a change on record."""

    def shown(self, row: Any, value: Any, masking: Masking) -> Any:
        """Plain JSON."""
        return masking.change(row.action, row.target, value)


class MaskedText(_Masked):
    """A text that may quote data."""

    def shown(self, row: Any, value: Any, masking: Masking) -> Any:
        """The text, secrets hidden."""
        return masking.text(value)


class MaskedError(_Masked):
    """What went wrong; secrets are hidden in its texts too. ``brief``: without the traceback."""

    def __init__(self, *, brief: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.brief = brief

    def shown(self, row: Any, value: Any, masking: Masking) -> Any:
        """``{"type", "message", "step", …}``."""
        if self.brief and value is not None:
            value = {name: value.get(name) for name in ("type", "message", "step")}
        return masking.value(value)


class MaskedLogs(_Masked):
    """Captured log records: ``[{"at", "level", "logger", "message"}]``."""

    def shown(self, row: Any, value: Any, masking: Masking) -> Any:
        """The records, secrets hidden in their messages."""
        return masking.logs(value)
