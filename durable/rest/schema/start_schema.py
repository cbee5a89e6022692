"""The JSON Schema of a workflow's input, from the type of its first step's parameter."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from durable.authoring.nodes.tree import Chain, Leaf, Node
from durable.authoring.parse.definition import Definition
from durable.authoring.self.typed import model_of
from durable.people.reach.schema import DIALECT

SCALARS: Mapping[Any, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    NoneType: "null",
}
DEEPEST = 20


def start_schema(definition: Definition) -> dict[str, Any] | None:
    """The schema of the input; ``None`` if the first step takes plain data."""
    node: Node = definition.tree.root
    while isinstance(node, Chain):
        node = node.nodes[0]
    if not isinstance(node, Leaf) or node.step.kind != "step":
        return None
    model = model_of(node.step.function, 1)
    return None if model is None else {"$schema": DIALECT, **_schema(model.kind, 0)}


def _schema(kind: Any, depth: int) -> dict[str, Any]:
    """The schema of a type; ``{}`` for a type without one in JSON."""
    if depth > DEEPEST:  # a type that contains itself
        return {}
    origin, parts = get_origin(kind), get_args(kind)
    if kind is None or kind in SCALARS:
        return {"type": SCALARS[NoneType if kind is None else kind]}
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(part, depth + 1) for part in parts]}
    if origin is Literal:
        return {"enum": list(parts)}
    if getattr(origin, "_name", None) in ("Required", "NotRequired", "ReadOnly"):
        return _schema(parts[0], depth)
    if isinstance(kind, type) and hasattr(kind, "model_json_schema"):
        found: dict[str, Any] = kind.model_json_schema()
        return found
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    if isinstance(kind, type) and (
        dataclasses.is_dataclass(kind) or hasattr(kind, "__required_keys__")
    ):
        return _object(kind, depth)
    container = origin or kind
    if container in (list, tuple):
        of_one = parts[:1] if container is list or parts[1:] == (...,) else ()
        return {"type": "array", **({"items": _schema(of_one[0], depth + 1)} if of_one else {})}
    if container is dict:
        inner = {"additionalProperties": _schema(parts[1], depth + 1)} if parts else {}
        return {"type": "object", **inner}
    return {}


def _object(kind: Any, depth: int) -> dict[str, Any]:
    try:
        hints = get_type_hints(kind)
    except NameError:
        return {"type": "object"}
    if dataclasses.is_dataclass(kind):
        fields = [field for field in dataclasses.fields(kind) if field.init]
        missing = dataclasses.MISSING
        required = [
            field.name for field in fields if field.default is field.default_factory is missing
        ]
        names = [field.name for field in fields]
    else:
        names, required = list(hints), sorted(kind.__required_keys__)
    properties = {name: _schema(hints[name], depth + 1) for name in names}
    return {
        "type": "object",
        "title": kind.__name__,
        "properties": properties,
        "required": required,
    }
