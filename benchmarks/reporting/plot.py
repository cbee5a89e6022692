"""Two kinds of SVG: bars for the engines side by side, lines for growth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

COLOURS = (
    "#2563eb",
    "#f59e0b",
    "#059669",
    "#db2777",
    "#7c3aed",
    "#0891b2",
    "#78716c",
    "#b91c1c",
    "#65a30d",
    "#1e3a8a",
)
INK, FAINT = "#374151", "#d1d5db"
FONT = 'font-family="system-ui, sans-serif" font-size="12"'


@dataclass(frozen=True)
class Bar:
    """One engine's bar, of one or more parts."""

    label: str
    parts: tuple[float, ...]


def bars(title: str, bars: Sequence[Bar], parts: Sequence[str], unit: str) -> str:
    """Horizontal bars with their values; parts are stacked."""
    left, width, height, gap = 110, 640, 22, 8
    top = 62 if len(parts) > 1 else 40
    most = max((sum(bar.parts) for bar in bars), default=0) or 1
    scale = (width - left - 110) / most
    body = [_text(16, 24, title, weight="600")]
    if len(parts) > 1:
        body += _legend(parts, 16, 46)
    for number, bar in enumerate(bars):
        y = top + number * (height + gap)
        body.append(_text(left - 8, y + 15, bar.label, anchor="end"))
        x = float(left)
        for part, value in enumerate(bar.parts):
            long = value * scale
            body.append(
                f'<rect x="{x:.1f}" y="{y}" width="{long:.1f}" height="{height}" '
                f'fill="{COLOURS[part]}"/>'
            )
            x += long
        body.append(_text(x + 6, y + 15, f"{figure(sum(bar.parts))} {unit}"))
    return _svg(width, top + len(bars) * (height + gap) + 8, title, body)


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]], unit: str) -> str:
    """Points (size, value) for each name, both axes logarithmic."""
    width, height, left, top, right, bottom = 720, 420, 60, 40, 230, 46
    points = [point for found in series.values() for point in found if min(point) > 0]
    if not points:
        return _svg(width, 60, title, [_text(16, 24, f"{title}: nothing was measured")])
    (x0, x1), (y0, y1) = (_decades([point[axis] for point in points]) for axis in (0, 1))

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = (math.log10(x) - x0) / (x1 - x0), (math.log10(y) - y0) / (y1 - y0)
        return left + across * (width - left - right), height - bottom - up * (
            height - top - bottom
        )

    body = [_text(16, 24, title, weight="600")]
    for decade in range(x0, x1 + 1):
        x, _ = place(10**decade, 10**y0)
        body.append(_line(x, top, x, height - bottom))
        body.append(_text(x, height - bottom + 18, figure(10**decade), anchor="middle"))
    for decade in range(y0, y1 + 1):
        _, y = place(10**x0, 10**decade)
        body.append(_line(left, y, width - right, y))
        body.append(_text(left - 8, y + 4, figure(10**decade), anchor="end"))
    body.append(_text(left, height - 8, f"how many; upwards: {unit}"))
    for number, (name, found) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        placed = [place(x, y) for x, y in sorted(found) if x > 0 and y > 0]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        body.append(_square(width - right + 16, top + 20 * number, colour))
        body.append(_text(width - right + 34, top + 20 * number + 11, name))
    return _svg(width, height, title, body)


def figure(value: float) -> str:
    """A number in three significant digits, thousands with a comma."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _legend(names: Sequence[str], x: float, y: float) -> list[str]:
    found = []
    for number, name in enumerate(names):
        found += [_square(x, y - 10, COLOURS[number]), _text(x + 18, y, name)]
        x += 30 + 7 * len(name)
    return found


def _square(x: float, y: float, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{FAINT}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "400") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{INK}" {FONT} text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )


def _svg(width: int, height: int, title: str, body: Sequence[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        ]
    )
