"""OpenAPI through drf-spectacular, if the project has it: what ``Operation`` says, as a schema."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from rest_framework.schemas.inspectors import ViewInspector

from durable.rest.base.problems import MEANINGS, MEDIA_TYPE
from durable.rest.schema.operations import Operation, Parameter

READING = frozenset({"GET", "HEAD", "OPTIONS"})


def inspector() -> ViewInspector:
    """What a view has as its ``schema``."""
    if not apps.is_installed("drf_spectacular"):
        from rest_framework.schemas import DefaultSchema

        return DefaultSchema()
    return _spectacular()


def _spectacular() -> ViewInspector:
    from drf_spectacular.openapi import AutoSchema
    from drf_spectacular.types import OpenApiTypes
    from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

    from durable.rest.schema.serializers import Problem

    class DurableSchema(AutoSchema):
        """Reads ``view.operations`` and leaves nothing to be guessed."""

        @property
        def operation(self) -> Operation:
            """What is said of the method at hand."""
            found: Operation = getattr(self.view, "operations")[self.method]  # noqa: B009
            return found

        def get_operation_id(self) -> str:
            """Stable, whatever the project mounts beside."""
            return f"durable_{self.operation.id}"

        def get_summary(self) -> str:
            """One line."""
            return self.operation.summary

        def get_description(self) -> str:  # type: ignore[override]
            """The view's own words."""
            return str(getattr(self.view, "__doc__", "") or "")

        def get_tags(self) -> list[str]:
            """All under one heading."""
            return ["durable"]

        def get_filter_backends(self) -> list[Any]:
            """Filters are among the parameters."""
            return []

        def get_request_serializer(self) -> Any:
            """What is taken; ``dict``: any JSON object."""
            takes = self.operation.takes
            return OpenApiTypes.OBJECT if takes is dict else takes

        def map_parsers(self) -> list[str]:
            """JSON, even where the raw bytes are read."""
            return ["application/json"]

        def get_override_parameters(self) -> list[Any]:
            """The parameters."""
            return [_parameter(one) for one in self.operation.parameters]

        def get_response_serializers(self) -> Any:
            """The answers and the problems."""
            answers: dict[Any, Any] = dict(self.operation.answers)
            for code in self.operation.refusals(writes=self.method not in READING):
                described = OpenApiResponse(Problem, description=MEANINGS[code])
                answers[code, MEDIA_TYPE] = described
            return answers

        def get_serializer_name(self, serializer: Any, direction: Any) -> str:
            """A project has things called Event or Schedule too."""
            return f"Durable{super().get_serializer_name(serializer, direction)}"

        def get_auth(self) -> Any:
            """Nobody is let in without being known, unless by signature."""
            return super().get_auth() if self.view.get_authenticators() else []

    def _parameter(one: Parameter) -> Any:
        formatted = one.kind in ("date-time", "uuid")
        schema: dict[str, Any] = {"type": "string" if formatted else one.kind}
        if formatted:
            schema["format"] = one.kind
        if one.choices:
            schema["enum"] = list(one.choices)
        if one.many:
            schema = {"type": "array", "items": schema}
        return OpenApiParameter(
            one.name,
            schema,
            one.place,
            required=one.place == "path",
            description=one.description,
        )

    found: ViewInspector = DurableSchema()
    return found
