"""The OpenAPI document of the REST door through drf-spectacular, if the project installs it."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from rest_framework.schemas.inspectors import ViewInspector

from durable.rest.base.problems import MEANINGS, MEDIA_TYPE
from durable.rest.schema.operations import Operation, Parameter

READING = frozenset({"GET", "HEAD", "OPTIONS"})


def inspector() -> ViewInspector:
    """The inspector that a view has as its ``schema``."""
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
        """Builds the schema from ``view.operations`` alone."""

        @property
        def operation(self) -> Operation:
            """The operation of the method at hand."""
            found: Operation = getattr(self.view, "operations")[self.method]  # noqa: B009
            return found

        def get_operation_id(self) -> str:
            """An id that stays the same whatever else the project mounts."""
            return f"durable_{self.operation.id}"

        def get_summary(self) -> str:
            """The summary of the operation."""
            return self.operation.summary

        def get_description(self) -> str:  # type: ignore[override]
            """The docstring of the view."""
            return str(getattr(self.view, "__doc__", "") or "")

        def get_tags(self) -> list[str]:
            """One tag for all operations."""
            return ["durable"]

        def get_filter_backends(self) -> list[Any]:
            """None: the filters are among the parameters."""
            return []

        def get_request_serializer(self) -> Any:
            """The serializer of the body; ``dict`` stands for any JSON object."""
            takes = self.operation.takes
            return OpenApiTypes.OBJECT if takes is dict else takes

        def map_parsers(self) -> list[str]:
            """JSON, even for the view that reads raw bytes."""
            return ["application/json"]

        def get_override_parameters(self) -> list[Any]:
            """The parameters of the operation."""
            return [_parameter(one) for one in self.operation.parameters]

        def get_response_serializers(self) -> Any:
            """The answers of the operation, and its refusals as problem documents."""
            answers: dict[Any, Any] = dict(self.operation.answers)
            for code in self.operation.refusals(writes=self.method not in READING):
                described = OpenApiResponse(Problem, description=MEANINGS[code])
                answers[code, MEDIA_TYPE] = described
            return answers

        def get_serializer_name(self, serializer: Any, direction: Any) -> str:
            """The name with a prefix: a project may have an Event or a Schedule, too."""
            return f"Durable{super().get_serializer_name(serializer, direction)}"

        def get_auth(self) -> Any:
            """The authentication of the view; none for webhooks, which are signed."""
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
