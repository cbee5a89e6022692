"""JSON that people write into a form: checked with the place of the mistake, kept as written."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from durable import codec
from durable.errors import NotSerializable
from durable.showing import values


class JsonField(forms.CharField):
    """A JSON object, as a dict; ``{}`` if nothing is written."""

    widget = forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocomplete": "off"})

    def __init__(self, **options: Any) -> None:
        super().__init__(strip=True, **options)

    def to_python(self, value: Any) -> Any:
        """The value; what can't be stored is refused here."""
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
        """A value as people may edit it."""
        return values.block(value or {})

    @classmethod
    def kept(cls, posted: Any, known: Any) -> Any:
        """``known``, with the types that JSON does not have, if it was posted as it was shown.

        Also if nothing was posted, as nothing could be changed.
        """
        same = posted is None or posted == json.loads(cls.written(known))
        return (known or {}) if same else posted


def _refused(name: str) -> Any:
    raise ValueError(_("%s is not JSON.") % name)
