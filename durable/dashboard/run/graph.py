"""The flow of a workflow or an execution, as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from durable.authoring.parse import registry
from durable.drawing import layout, svg
from durable.models import Execution
from durable.showing.characters import visible
from durable.showing.run.overlay import run_overlay, tree_of_run


def undrawn(execution: Execution) -> str:
    """Why the flow of an execution can't be drawn; empty if it can."""
    lacking = registry.lacks(execution.workflow, execution.version)
    if not lacking:
        return ""
    return _("It can't be drawn: %s. A process that has this version draws it.") % visible(lacking)


def render(execution: Execution, links: Mapping[str, str]) -> SafeString | str:
    """The flow of an execution with the run laid over it; empty if this process lacks the code.

    ``links``: the address of a page for each node's path.
    """
    tree = tree_of_run(execution)
    if tree is None:
        return ""
    title = _("Flow of %s") % visible(execution.workflow)
    return svg(layout(tree), title=title, overlay=run_overlay(execution, tree), href=links.get)


def render_definition(cls: type[Any]) -> SafeString | str:
    """The flow of a workflow, without a run."""
    return svg(layout(cls), title=_("Flow of %s") % visible(cls.definition.name))
