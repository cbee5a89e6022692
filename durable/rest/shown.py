"""How stored values are shown in JSON, and what of them is hidden from whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest_framework import serializers

from durable.showing.masking import mask, mask_answer, mask_change, mask_error, mask_text
from durable.showing.values import plain
from durable.states import WaitKind

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
        return self.shown(row, found, whole=found is None or reveals(row))

    def shown(self, row: Any, value: Any, *, whole: bool) -> Any:
        """What is answered."""
        raise AssertionError("one of the kinds below")


class Data(_Masked):
    """Users' data: secret-looking keys have their values hidden."""

    def shown(self, row: Any, value: Any, *, whole: bool) -> Any:
        """Plain JSON."""
        return plain(value) if whole else mask(plain(value))


class Answer(_Masked):
    """What somebody has answered; the name of the question may look secret, too."""

    def shown(self, row: Any, value: Any, *, whole: bool) -> Any:
        """Plain JSON."""
        return plain(value) if whole else mask_answer(row.name, plain(value))


class Received(_Masked):
    """What a wait has got: payloads, or how its child has ended, with the child's error."""

    def shown(self, row: Any, value: Any, *, whole: bool) -> Any:
        """Plain JSON."""
        if whole:
            return plain(value)
        return (mask_error if row.kind == WaitKind.CHILD else mask)(plain(value))


class Change(_Masked):
    """What was before or after a change on record."""

    def shown(self, row: Any, value: Any, *, whole: bool) -> Any:
        """Plain JSON."""
        return plain(value) if whole else mask_change(row.action, row.target, plain(value))


class Text(_Masked):
    """A text that may quote data."""

    def shown(self, row: Any, value: Any, *, whole: bool) -> Any:
        """The text, secrets hidden."""
        return value if whole else mask_text(str(value))


class Error(_Masked):
    """What went wrong; secrets are hidden in its texts too. ``brief``: without the traceback."""

    def __init__(self, *, brief: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.brief = brief

    def shown(self, row: Any, value: Any, *, whole: bool) -> Any:
        """``{"type", "message", "step", …}``."""
        found = plain(value)
        if not isinstance(found, dict):
            return found
        if self.brief:
            found = {name: found.get(name) for name in ("type", "message", "step")}
        return found if whole else mask_error(found)


class Logs(_Masked):
    """Captured log records: ``[{"at", "level", "logger", "message"}]``."""

    def shown(self, row: Any, value: Any, *, whole: bool) -> Any:
        """The records, secrets hidden in their messages."""
        if whole:
            return value
        return [{**record, "message": mask_text(str(record["message"]))} for record in value]
