"""The drawing in sentences, for screen readers and tooltips."""

from __future__ import annotations

from collections import defaultdict

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from durable.drawing import words
from durable.drawing.overlay import Overlay
from durable.drawing.shapes import MARKS, Layout, PlacedEdge, PlacedNode

MOST_WAYS = 8


class Sentences:
    """Sentences about the nodes of a layout."""

    def __init__(self, layout: Layout, overlay: Overlay | None) -> None:
        self.overlay = overlay
        self.labels = {node.path: node.label for node in layout.nodes}
        self.count = sum(node.kind not in MARKS for node in layout.nodes)
        self.leaving: dict[str, list[PlacedEdge]] = defaultdict(list)
        for edge in layout.edges:
            self.leaving[edge.source].append(edge)

    def summary(self) -> str:
        """One or two sentences about the whole drawing."""
        text = ngettext(
            "A flow of %(n)d node, from start to end.",
            "A flow of %(n)d nodes, from start to end.",
            self.count,
        ) % {"n": self.count}
        if self.overlay is not None and self.overlay.title:
            text += f" {self.overlay.title}."
        return text

    def about(self, node: PlacedNode) -> str:
        """The kind, the name, the state and the next nodes of a node."""
        found = [node.label]
        if node.kind not in MARKS:
            found = [f"{words.kind(node.kind)} {node.label}"]
            if node.label != node.path:
                found.append(f"({node.path})")
        state = None if self.overlay is None else self.overlay.state(node.path)
        text = " ".join(found)
        if state is not None:
            text += f": {words.about(state)}"
        elif node.note and node.note != words.kind(node.kind):
            text += f": {node.note}"
        return text + self._leads_to(node.path)

    def _leads_to(self, path: str) -> str:
        ways = [
            f"{self.labels[edge.target]} ({edge.label})" if edge.label else self.labels[edge.target]
            for edge in self.leaving[path]
        ]
        if not ways:
            return ""
        more = len(ways) - MOST_WAYS
        shown = ", ".join(ways[:MOST_WAYS]) + (f", +{more}" if more > 0 else "")
        return ". " + _("Leads to %(ways)s") % {"ways": shown}
