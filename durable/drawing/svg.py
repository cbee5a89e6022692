"""The drawing as SVG: for a page (classes only, no style), or as a file with its own style."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from html import escape
from importlib.resources import files

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from durable.drawing import icons, outline, words
from durable.drawing.measure import CARD, LINE, NOTE, TEXT_AT, TEXT_END
from durable.drawing.overlay import NodeState, Overlay, Progress
from durable.drawing.sentences import Sentences
from durable.drawing.shapes import MARKS, Box, Frame, Layout, PlacedEdge, PlacedNode
from durable.drawing.text import cut, width
from durable.showing.characters import drawable

Href = Callable[[str], str | None]
STYLESHEET = "durable/graph.css"


def svg(
    layout: Layout,
    *,
    title: str,
    overlay: Overlay | None = None,
    href: Href | None = None,
    standalone: bool = False,
    theme: str | None = None,
    id: str = "durable-graph",
) -> SafeString:
    """The drawing, safe to put into a page that has ``STYLESHEET``, in a ``div.dg-scroll``.

    ``href``: the address of a page about a node, by the node's path. ``standalone``: a file with
    the style inside, on a background. ``theme``: ``"light"`` or ``"dark"``, whatever the reader
    prefers. ``id``: has to differ between two drawings in the same page.
    """
    picture = _Picture(layout, title, overlay, href)
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "id": id,
        "class": "durable-graph" + (" dg-run" if overlay is not None else ""),
        "width": _number(layout.width),
        "height": _number(layout.height),
        "viewBox": f"0 0 {_number(layout.width)} {_number(layout.height)}",
        "role": "group",
        "aria-labelledby": f"{id}-title",
        "aria-describedby": f"{id}-desc",
        # for readers without the stylesheet: lines and letters in the colour of the text
        "fill": "none",
        "stroke": "currentColor",
        "font-size": "13",
        "font-family": "sans-serif",
    }
    if theme is not None:
        attributes["data-theme"] = theme
    lines = [f"<svg {_attributes(attributes)}>", *picture.head(id)]
    if standalone:
        lines.insert(0, '<?xml version="1.0" encoding="UTF-8"?>')
        lines.append(f"<style>{stylesheet()}</style>")
        lines.append('<rect class="dg-paper" width="100%" height="100%"/>')
    lines += [*picture.body(), "</svg>"]
    return mark_safe("\n".join(lines) + "\n")  # nosec B308 B703: each text is escaped above


@lru_cache(maxsize=1)
def stylesheet() -> str:
    """The stylesheet, as the content of a ``style`` element."""
    return escape((files("durable") / "static" / STYLESHEET).read_text("utf-8"), quote=False)


class _Picture:
    def __init__(
        self, layout: Layout, title: str, overlay: Overlay | None, href: Href | None
    ) -> None:
        self.layout, self.title, self.overlay, self.href = layout, title, overlay, href
        self.sentences = Sentences(layout, overlay)

    def head(self, id: str) -> Iterator[str]:
        yield f'<title id="{_text(id)}-title">{_text(self.title)}</title>'
        yield f'<desc id="{_text(id)}-desc">{_text(self.sentences.summary())}</desc>'

    def body(self) -> Iterator[str]:
        yield '<g aria-hidden="true">'
        yield from map(self.frame, self.layout.frames)
        # taken edges on top: several edges share their last piece
        for edge in sorted(self.layout.edges, key=self.taken):
            yield from self.edge(edge)
        yield from map(self.tag, self.layout.edges)
        yield "</g>"
        yield f'<g role="list" aria-label="{_text(_("Steps"))}">'
        for node in self.layout.nodes:
            yield from self.node(node)
        yield "</g>"

    # -- behind the nodes --------------------------------------------------------------------

    def state(self, path: str) -> NodeState | None:
        return None if self.overlay is None else self.overlay.state(path)

    def taken(self, edge: PlacedEdge) -> bool:
        return self.overlay is not None and self.overlay.taken(edge.source, edge.target, edge.way)

    def frame(self, frame: Frame) -> str:
        state = self.state(frame.path)
        status = f" dg-is-{state.status}" if state is not None else ""
        return f'<rect class="dg-frame dg-{frame.kind}{status}" {_box(frame.box)} rx="12"/>'

    def edge(self, edge: PlacedEdge) -> Iterator[str]:
        classes = self.edge_classes(edge)
        yield f'<path class="dg-edge{classes}" d="{outline.rounded(edge.points)}"/>'
        yield f'<path class="dg-head{classes}" d="{outline.arrowhead(edge.points)}"/>'

    def edge_classes(self, edge: PlacedEdge) -> str:
        return f" dg-{edge.kind}" + (" dg-taken" if self.taken(edge) else "")

    def tag(self, edge: PlacedEdge) -> str:
        if edge.shown is None:
            return ""
        box = edge.shown.box
        return (
            f'<g class="dg-tag{self.edge_classes(edge)}">'
            f'<rect {_box(box)} rx="{_number(box.h / 2)}"/>'
            f'<text x="{_number(box.middle.x)}" y="{_number(box.y + 13)}" fill="currentColor" '
            f'stroke="none" text-anchor="middle">{_text(edge.shown.text)}</text></g>'
        )

    # -- nodes -------------------------------------------------------------------------------

    def node(self, node: PlacedNode) -> Iterator[str]:
        state = self.state(node.path)
        classes = f"dg-node dg-{_text(node.kind)}"
        if state is not None:
            classes += f" dg-is-{state.status}" + (" dg-here" if state.here else "")
        sentence = _text(self.sentences.about(node))
        address = self.href(node.path) if self.href and node.kind not in MARKS else None
        if address is not None:
            yield '<g role="listitem">'
            yield f'<a class="{classes}" href="{_text(address)}">'
        else:
            yield f'<g class="{classes}" role="listitem" tabindex="0" aria-label="{sentence}">'
        yield f'<title>{sentence}</title><g aria-hidden="true">'
        yield f'<path class="dg-card" d="{outline.card(node.kind, node.box)}"/>'
        yield from self.content(node, state)
        yield "</g></g>" if address is None else "</g></a></g>"

    def content(self, node: PlacedNode, state: NodeState | None) -> Iterator[str]:
        box = node.box
        if node.kind in ("start", "end"):
            yield _line("dg-name", box.middle.x, box.y + 18, node.label, ' text-anchor="middle"')
        elif node.kind not in MARKS:
            yield from self.card(node, state)
        if state is not None and node.kind != "start":
            yield from _badge(state, box)

    def card(self, node: PlacedNode, state: NodeState | None) -> Iterator[str]:
        box = node.box
        if node.kind in outline.RIMMED:
            yield f'<path class="dg-rim" d="{outline.rim(box)}"/>'
        x, y = box.x + 11, box.middle.y - 12
        yield f'<rect class="dg-tile" x="{_number(x)}" y="{_number(y)}" {_TILE}/>'
        sign = icons.KINDS.get(node.kind, icons.KINDS["step"])
        yield f'<path class="dg-sign" transform="{_shift(x + 4, y + 4)}" d="{sign}"/>'
        note = self.note(node, state)
        y = box.y + (19 if note else 27)
        for line in node.lines:
            yield _line("dg-name", box.x + TEXT_AT, y, line)
            y += LINE
        if note:
            yield _line("dg-note", box.x + TEXT_AT, y, note)
        if state is not None and state.progress is not None:
            yield from _bar(state.progress, box)

    def note(self, node: PlacedNode, state: NodeState | None) -> str:
        """The line under the name: the state in the run, or (without one) the node's own note."""
        room = node.box.w - TEXT_AT - TEXT_END
        if state is None or (state.status == "pending" and not state.here):
            return cut(drawable(node.note), room, NOTE)
        whole, short = drawable(words.about(state)), drawable(words.about(state, brief=True))
        return whole if width(whole, NOTE) <= room else cut(short, room, NOTE)


_TILE = 'width="24" height="24" rx="6"'


def _bar(progress: Progress, box: Box) -> Iterator[str]:
    """A bar of the progress along the lower side of a card; none once all parts are done."""
    if progress.done >= progress.total:
        return
    x, y, whole = box.x + TEXT_AT, box.bottom - 5, box.w - TEXT_AT - TEXT_END
    done, failed = (whole * n / progress.total for n in (progress.done, progress.failed))
    parts = (("dg-bar", x, whole), ("dg-bar-done", x, done), ("dg-bar-failed", x + done, failed))
    for name, at, length in parts:
        if length:
            yield f'<rect class="{name}" {_box(Box(at, y, length, 3))} rx="1.5"/>'


def _badge(state: NodeState, box: Box) -> Iterator[str]:
    """The icon of the state, on the upper right corner."""
    sign = icons.STATUSES.get(state.status)
    if sign is None:
        return
    x, y = box.right - 10, box.y - 6
    if box.w < CARD:  # a join
        x, y = box.x + 2, box.y + 2
    yield f'<g class="dg-badge" transform="{_shift(x, y)}"><circle cx="6" cy="6" r="8"/>'
    yield f'<path d="{sign}"/></g>'


def _line(name: str, x: float, y: float, text: str, more: str = "") -> str:
    return (
        f'<text class="{name}" x="{_number(x)}" y="{_number(y)}" fill="currentColor" '
        f'stroke="none"{more}>{_text(text)}</text>'
    )


def _shift(x: float, y: float) -> str:
    return f"translate({_number(x)} {_number(y)})"


def _box(box: Box) -> str:
    names = zip(("x", "y", "width", "height"), box, strict=True)
    return " ".join(f'{name}="{_number(value)}"' for name, value in names)


def _attributes(attributes: dict[str, str]) -> str:
    return " ".join(f'{name}="{_text(value)}"' for name, value in attributes.items())


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(text: str) -> str:
    return escape(drawable(text))
