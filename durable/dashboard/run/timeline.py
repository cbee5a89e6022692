"""The timeline of an execution as inline SVG: a lane for each step, with its attempts and waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from durable.dashboard.run import waiting
from durable.dashboard.shared.shown import cut
from durable.showing import times
from durable.showing.characters import visible

LANES = 40
READ = 400  # attempts that are read
NAMES, PLOT, ROW, TOP, SIDE = 190, 690, 24, 26, 14
WIDTH = NAMES + PLOT + SIDE
LEAST = 3  # pixels, so that a short attempt is visible
TICKS = 6

#: possible distances of ticks, in seconds
NICE = (
    *(base * 10.0**power for power in range(-3, 1) for base in (1, 2, 5)),
    10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200,
    *(days * 86_400.0 for days in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)),
)  # fmt: skip


@dataclass(frozen=True)
class Bar:
    """A bar in a lane; ``kind`` is its CSS class, ``text`` its tooltip."""

    lane: tuple[str, str]  # branch, path
    begin: datetime
    end: datetime | None  # None: not over yet
    kind: str
    text: str


def bars_of(steps: Iterable[Any], waits: Iterable[Any], names: dict[Any, str]) -> list[Bar]:
    """The bars of the attempts, of their waits, and of the pauses before a retry."""
    found = []
    last: dict[tuple[str, str, int], Any] = {}
    for run in steps:
        place = f"{run.path} ↩" if run.compensation else run.path
        lane = (names.get(run.execution_id, ""), place)
        before = last.get((*lane, run.visit))
        if before is not None and before.ended_at and before.ended_at < run.started_at:
            text = _("%s until the next attempt") % times.duration(run.started_at - before.ended_at)
            found.append(Bar(lane, before.ended_at, run.started_at, "pause", text))
        last[(*lane, run.visit)] = run
        text = f"#{run.attempt}: {run.get_status_display()}"
        found.append(Bar(lane, run.started_at, run.ended_at, run.status, text))
    for wait in waits:
        lane = (names.get(wait.execution_id, ""), wait.path)
        text = f"{wait.get_kind_display()} {visible(wait.name)}: {wait.get_status_display()}"
        found.append(Bar(lane, wait.opened_at, wait.resolved_at, "wait", text))
    return found


def current_bar(execution: Any) -> Bar | None:
    """The bar of the running attempt, which has no row yet; None if no attempt is running."""
    if execution.is_finished or not execution.path:
        return None
    since = execution.last_completed_at or execution.started_at
    undone = waiting.undone(execution)
    lane = ("", f"{undone.path} ↩" if undone is not None else execution.path)
    if execution.worker is not None and since is not None:
        return Bar(lane, since, None, "running", _("runs"))
    return None


def draw(bars: list[Bar], present: datetime) -> SafeString | str:
    """The chart; empty without bars."""
    if not bars:
        return ""
    lanes = list(dict.fromkeys(bar.lane for bar in sorted(bars, key=lambda bar: bar.begin)))
    left_out = max(0, len(lanes) - LANES)
    rows = {lane: number for number, lane in enumerate(lanes[:LANES])}
    begin = min(bar.begin for bar in bars)
    end = max(bar.end or present for bar in bars)
    scale = _Scale(begin, max(end - begin, timedelta(milliseconds=10)))
    height = TOP + ROW * len(rows) + 6
    return format_html(
        '<svg class="dw-timeline" viewBox="0 0 {} {}" width="{}" height="{}" role="img" '
        'aria-labelledby="dw-timeline-title dw-timeline-text" focusable="false">'
        '<title id="dw-timeline-title">{}</title><desc id="dw-timeline-text">{}</desc>'
        "{}{}{}</svg>{}",
        WIDTH,
        height,
        WIDTH,
        height,
        _("Timeline"),
        _("From %(begin)s, for %(span)s. The table of steps says the same in words.")
        % {
            "begin": times.absolute(begin),
            "span": times.duration(timedelta(seconds=scale.seconds)),
        },
        _ticks(scale, height),
        format_html_join("", "{}", ((_lane(lane, row),) for lane, row in rows.items())),
        format_html_join(
            "",
            "{}",
            (
                (_bar(bar, rows[bar.lane], scale, end),)
                for bar in sorted(bars, key=lambda bar: bar.kind == "wait")
                if bar.lane in rows
            ),
        ),
        format_html('<p class="dw-quiet">{}</p>', _("%d more steps are not drawn.") % left_out)
        if left_out
        else "",
    )


@dataclass(frozen=True)
class _Scale:
    """The horizontal axis. Its length grows in steps, so that a reload rarely changes the chart."""

    begin: datetime
    span: timedelta

    @property
    def step(self) -> float:
        """Seconds between two ticks."""
        wanted = self.span.total_seconds() / TICKS
        return next((nice for nice in NICE if nice >= wanted), NICE[-1])

    @property
    def seconds(self) -> float:
        """The length of the axis in seconds: whole tenths of a tick."""
        part = self.step / 10
        return (self.span.total_seconds() // part + 1) * part

    def x(self, moment: datetime) -> float:
        """The horizontal place of a time."""
        return NAMES + PLOT * min((moment - self.begin).total_seconds() / self.seconds, 1)

    def edge(self) -> float:
        """The right end of the axis."""
        return NAMES + PLOT


def _ticks(scale: _Scale, height: int) -> SafeString:
    marks = []
    number = 0
    while number * scale.step <= scale.seconds:
        x = NAMES + PLOT * number * scale.step / scale.seconds
        label = times.duration(timedelta(seconds=number * scale.step)) if number else "0"
        anchor = "end" if x > WIDTH - 60 else "start"
        marks.append((f"{x:.1f}", TOP - 8, f"{x:.1f}", height, f"{x + 3:.1f}", 12, anchor, label))
        number += 1
    return format_html_join(
        "",
        '<line class="dw-tick" x1="{}" y1="{}" x2="{}" y2="{}"/>'
        '<text class="dw-tick-text" x="{}" y="{}" text-anchor="{}">{}</text>',
        marks,
    )


def _lane(lane: tuple[str, str], row: int) -> SafeString:
    branch, path = lane
    name = visible(path.rpartition("/")[2])
    label = cut_name(f"{branch}: {name}" if branch else name)
    y = TOP + row * ROW
    return format_html(
        '<rect class="dw-lane" x="0" y="{}" width="{}" height="{}"/>'
        '<text class="dw-lane-text" x="6" y="{}">{}<title>{}</title></text>',
        y,
        WIDTH,
        ROW - 2,
        y + 15,
        label,
        visible(path),
    )


def cut_name(text: str) -> str:
    """A name cut to the width of its column."""
    return text if len(text) <= 26 else f"{text[:25]}…"


def _bar(bar: Bar, row: int, scale: _Scale, end: datetime) -> SafeString:
    x = scale.x(bar.begin)
    right = scale.edge() if bar.end is None else scale.x(bar.end)
    thin = bar.kind in ("pause", "wait")
    y = TOP + row * ROW + (8 if thin else 3)
    title = cut(bar.text, 200)
    if bar.end is not None:
        title = f"{title}, {times.duration(bar.end - bar.begin)}"
    return format_html(
        '<rect class="dw-bar dw-bar-{}" x="{}" y="{}" width="{}" height="{}" rx="2">'
        "<title>{}</title></rect>",
        bar.kind,
        f"{x:.1f}",
        y,
        f"{max(right - x, LEAST):.1f}",
        6 if thin else 16,
        title,
    )
