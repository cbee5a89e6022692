"""The description of a view's methods (parameters, body, answers), read by the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rest_framework import serializers

Kind = Literal["string", "integer", "boolean", "date-time", "uuid"]


@dataclass(frozen=True)
class Parameter:
    """A parameter of the query (or of another ``place``: ``header``, ``path``)."""

    name: str
    description: str
    kind: Kind = "string"
    many: bool = False
    choices: tuple[str, ...] = ()
    place: Literal["query", "header", "path"] = "query"


@dataclass(frozen=True)
class Operation:
    """One method of one address; query parameters that are not listed are refused.

    ``answers`` maps statuses to serializers; ``problems`` are the statuses of refusals besides
    the usual ones.
    """

    id: str
    summary: str
    answers: Mapping[int, type[serializers.Serializer[Any]]]
    takes: type[serializers.Serializer[Any]] | type[dict[Any, Any]] | None = None
    parameters: tuple[Parameter, ...] = field(default=())
    problems: tuple[int, ...] = ()

    @property
    def query(self) -> frozenset[str]:
        """The names of the query parameters."""
        return frozenset(one.name for one in self.parameters if one.place == "query")

    def refusals(self, *, writes: bool) -> list[int]:
        """The statuses of this operation's refusals."""
        usual = {400, 401, 403, 406, 429} | ({413, 415} if writes else set())
        return sorted(usual | set(self.problems))


ID = Parameter("id", "The id of an execution.", "uuid", place="path")

IDEMPOTENCY_KEY = "Idempotency-Key"


def idempotency_key(means: str) -> Parameter:
    """The header that makes a request safe to repeat."""
    return Parameter(IDEMPOTENCY_KEY, f"Makes the request safe to repeat: {means}.", place="header")
