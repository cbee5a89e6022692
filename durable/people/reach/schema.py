"""A question as JSON Schema, for programs that show or answer it."""

from __future__ import annotations

from typing import Any

from django import forms

from durable.authoring.self.decision import APPROVED, REJECTED
from durable.models import Wait
from durable.people.form import ANSWER, BooleanField, ChoiceField, MultipleChoiceField, form_of
from durable.people.question import Question
from durable.showing.masking import Masking

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(wait: Wait, masking: Masking) -> dict[str, Any]:
    """The schema of a valid answer (JSON Schema 2020-12), with secrets in its texts masked."""
    question = Question.of(wait)
    form = form_of(wait)
    if question.is_form:
        schema = _object(form, masking)
    elif question.is_approval:
        schema = {"enum": [APPROVED, REJECTED]}
    else:
        schema = _schema(form.fields[ANSWER])
    titled = {"title": wait.name, "description": masking.text(question.prompt)}
    return {"$schema": DIALECT, **{k: v for k, v in titled.items() if v}, **schema}


def _object(form: forms.BaseForm, masking: Masking) -> dict[str, Any]:
    properties = {}
    for name, field in form.fields.items():
        about = {"title": str(field.label or name), "description": str(field.help_text or "")}
        told = {k: masking.text(v) for k, v in about.items() if v}
        properties[name] = {**told, **_schema(field)}
    needed = [name for name, field in form.fields.items() if field.required]
    return {
        "type": "object",
        "properties": properties,
        "required": needed,
        "additionalProperties": False,
    }


def _schema(field: forms.Field) -> dict[str, Any]:
    """The schema of one form field, Django's own fields included where JSON Schema can say it."""
    schema = _of_type(field)
    if not field.required and "enum" not in schema and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    return schema


def _of_type(field: forms.Field) -> dict[str, Any]:
    if isinstance(field, MultipleChoiceField):
        item = {"enum": list(field.values)}
        return {"type": "array", "items": item, "uniqueItems": True, **_least(field)}
    if isinstance(field, ChoiceField):
        return {"enum": list(field.values) + ([] if field.required else [None])}
    if isinstance(field, forms.MultipleChoiceField | forms.ModelMultipleChoiceField):
        return {"type": "array", "items": {}, **_least(field)}
    if isinstance(field, forms.ModelChoiceField):
        return {}
    if isinstance(field, forms.ChoiceField):
        return {"enum": [str(value) for value in _flat(field.choices) if str(value)]}
    if isinstance(field, forms.IntegerField) and not isinstance(field, forms.DecimalField):
        return {"type": "integer", **_range(field)}
    if isinstance(field, forms.DecimalField):
        return {"type": "number", **_range(field)}
    if isinstance(field, forms.BooleanField | BooleanField):
        return {"type": "boolean"}
    for kind, name in _FORMATS:
        if isinstance(field, kind):
            return {"type": "string", "format": name}
    if isinstance(field, forms.CharField):
        return {"type": "string", **_length(field)}
    return {}


_FORMATS: tuple[tuple[type[forms.Field], str], ...] = (
    (forms.DateTimeField, "date-time"),
    (forms.DateField, "date"),
    (forms.TimeField, "time"),
    (forms.DurationField, "duration"),
    (forms.EmailField, "email"),
    (forms.URLField, "uri"),
    (forms.UUIDField, "uuid"),
)


def _flat(choices: Any) -> list[Any]:
    """The values of a field's choices, with groups flattened."""
    values: list[Any] = []
    for value, label in choices:
        if isinstance(label, list | tuple):
            values += [inner for inner, _ in label]
        else:
            values.append(value)
    return values


def _least(field: forms.Field) -> dict[str, Any]:
    return {"minItems": 1} if field.required else {}


def _range(field: Any) -> dict[str, Any]:
    bounds = {"minimum": field.min_value, "maximum": field.max_value}
    return {name: _number(value) for name, value in bounds.items() if value is not None}


def _number(value: Any) -> Any:
    return value if isinstance(value, int) else float(value)


def _length(field: forms.CharField) -> dict[str, Any]:
    bounds = {"minLength": field.min_length, "maxLength": field.max_length}
    if field.required and not field.min_length:
        bounds["minLength"] = 1
    return {name: value for name, value in bounds.items() if value is not None}
