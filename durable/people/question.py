"""A question as it is stored with its wait."""

from __future__ import annotations

from typing import Any

from durable.authoring.context import Question


def describe(question: Question) -> dict[str, Any]:
    """The question as it is stored with its wait (the people aside)."""
    return {
        "type": question.type,
        "prompt": str(question.prompt),
        "choices": [[value, str(label)] for value, label in question.choices],
        "multiple": question.multiple,
        "fields": [dict(field) for field in question.fields],
        "form": question.form,
        "metadata": dict(question.metadata),
        "quorum": question.quorum,
    }
