"""The views of workflows: their versions, their graphs, the schema of their input."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework import serializers as fields
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from durable.authoring.nodes.graph import graph
from durable.authoring.parse import registry
from durable.authoring.workflow import Definition
from durable.doors import names
from durable.rest.base import pagination, permissions
from durable.rest.base.view import View
from durable.rest.schema import serializers
from durable.rest.schema.operations import Operation, Parameter
from durable.rest.schema.serializers import GraphEdgeSerializer, GraphNodeSerializer, Read
from durable.rest.schema.start_schema import start_schema
from durable.showing import times

NAME = Parameter("name", "The name of a workflow.", place="path")


class WorkflowSummary(Read):
    """A workflow, described by its highest version."""

    name = fields.CharField()
    verbose_name = fields.CharField()
    version = fields.IntegerField(help_text="The version of new executions.")
    versions = fields.ListField(child=fields.IntegerField())
    queue = fields.CharField()
    triggers = fields.ListField(
        child=fields.CharField(), help_text="Names of the events that start it."
    )
    schedules = fields.ListField(child=fields.CharField(), help_text="Names of its schedules.")


class VersionGraph(Read):
    """A flow as nodes and edges, in written order."""

    nodes = GraphNodeSerializer(many=True)
    edges = GraphEdgeSerializer(many=True)


class Version(Read):
    """One version of a workflow."""

    version = fields.IntegerField()
    steps = fields.ListField(child=fields.CharField())
    timeout = fields.FloatField(allow_null=True, help_text="Seconds.")
    graph = VersionGraph()
    input_schema = fields.JSONField(
        allow_null=True, help_text="JSON Schema of the input, if the first step is typed."
    )


class WorkflowSerializer(WorkflowSummary):
    """A workflow with all its versions."""

    details = Version(many=True, help_text="The highest version first.")


class Workflows(View):
    """The workflows of this process, by name."""

    operations = {
        "GET": Operation("workflows", "List workflows", {200: serializers.page_of(WorkflowSummary)})
    }

    def get(self, request: Request) -> Response:
        """All workflows that the user may know, on one page."""
        permissions.require(request.user, "view")
        code = (cls for cls in registry.all() if names.knows(request.user, cls))
        found = sorted({cls.definition.name for cls in code if self.permits(cls)})
        rows = [_summary(_versions(name)) for name in found]
        return pagination.whole(self.as_json(WorkflowSummary, rows))


class OneWorkflow(View):
    """One workflow."""

    operations = {
        "GET": Operation(
            "workflow",
            "Look at a workflow",
            {200: WorkflowSerializer},
            parameters=(NAME,),
            problems=(404,),
        )
    }

    def get(self, request: Request, name: str) -> Response:
        """The workflow with the graph of each version."""
        permissions.require(request.user, "view")
        versions = _versions(name)
        if not versions or not names.knows(request.user, registry.latest(name)):
            raise NotFound("There is no workflow of this name.")
        self.check_object_permissions(request, registry.latest(name))
        details = [_version(definition) for definition in versions]
        return Response(self.shown({**_summary(versions), "details": details}))


def _versions(name: str) -> list[Definition]:
    found: Iterable[Definition] = (
        cls.definition for cls in registry.all() if cls.definition.name == name
    )
    return sorted(found, key=lambda definition: -definition.version)


def _summary(versions: list[Definition]) -> dict[str, Any]:
    options = versions[0].options
    return {
        "name": options.name,
        "verbose_name": str(options.verbose_name),
        "version": options.version,
        "versions": [definition.version for definition in versions],
        "queue": options.queue,
        "triggers": [trigger.name for trigger in options.triggers],
        "schedules": [schedule.name for schedule in options.schedules],
    }


def _version(definition: Definition) -> dict[str, Any]:
    return {
        "version": definition.version,
        "steps": list(definition.steps),
        "timeout": times.in_seconds(definition.options.timeout),
        "graph": graph(definition.tree),
        "input_schema": start_schema(definition),
    }
