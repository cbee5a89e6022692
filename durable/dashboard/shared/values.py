"""The form field for JSON: a mistake is refused with its place, an unchanged value is kept."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from durable import codec
from durable.errors import NotSerializable
from durable.showing import values


class JsonField(forms.CharField):
    """A JSON object, as a dict; ``{}`` if the field is empty."""

    widget = forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocomplete": "off"})

    def __init__(self, **options: Any) -> None:
        super().__init__(strip=True, **options)

    def to_python(self, value: Any) -> Any:
        """The dict; refused if it is no JSON object or can't be stored."""
        if isinstance(value, dict):
            return value
        text = super().to_python(value)
        if not text:
            return {}
        try:
            found = json.loads(text, parse_constant=_refused)
        except RecursionError:
            raise forms.ValidationError(_("It is nested too deeply.")) from None
        except json.JSONDecodeError as problem:
            raise forms.ValidationError(
                _("This is not JSON: %(problem)s (line %(line)d, column %(column)d).")
                % {"problem": problem.msg, "line": problem.lineno, "column": problem.colno}
            ) from problem
        except ValueError as problem:
            raise forms.ValidationError(str(problem)) from problem
        if not isinstance(found, dict):
            raise forms.ValidationError(_("It must be an object: { … }."))
        try:
            codec.dump_data(found, path="input")
        except NotSerializable as problem:
            raise forms.ValidationError(str(problem)) from problem
        return found

    @staticmethod
    def written(value: Any) -> str:
        """A value as editable JSON."""
        return values.block(value or {})

    @classmethod
    def kept(cls, posted: Any, known: Any) -> Any:
        """``known``, with types that JSON lacks, if the form was posted unchanged; else ``posted``.

        ``known`` as well if the form had no such field.
        """
        same = posted is None or posted == json.loads(cls.written(known))
        return (known or {}) if same else posted


def _refused(name: str) -> Any:
    raise ValueError(_("%s is not JSON.") % name)
