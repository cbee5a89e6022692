"""The flow of an execution: its nodes in written order, each with how often it has run."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from durable.authoring import registry
from durable.authoring.graph import graph
from durable.models import Execution


def render(execution: Execution, request: HttpRequest) -> SafeString | str:
    """The definition of this version with the run laid over it; nothing if it is not known here."""
    cls = registry.get(execution.workflow, execution.version)
    return "" if cls is None else _listed(cls, execution.path)


def render_definition(cls: type[Any], request: HttpRequest) -> SafeString | str:
    """The definition alone, before any run."""
    return _listed(cls, "")


def _listed(cls: type[Any], here: str) -> SafeString:
    nodes = [node for node in graph(cls).nodes if "#" not in node.path]
    marks = ((node.kind, node.label, "←" if node.path == here else "") for node in nodes)
    return format_html(
        '<ol class="dw-flow">{}</ol>',
        format_html_join("", '<li><span class="dw-quiet">{}</span> {} {}</li>', marks),
    )
