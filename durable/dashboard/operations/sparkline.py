"""The bar chart of a day as inline SVG: per hour, done executions below and failed on top."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from durable.showing import times
from durable.states import Status

WIDTH, HEIGHT = 720, 90
GAP = 5
DONE = (Status.COMPLETED, Status.CANCELLED)
FAILED = (Status.FAILED, Status.COMPENSATED, Status.COMPENSATION_FAILED)


@dataclass(frozen=True)
class Hour:
    """The executions that ended in one hour, counted by status."""

    begin: datetime
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """The completed and the cancelled ones."""
        return sum(self.statuses.get(str(status.value), 0) for status in DONE)

    @property
    def failed(self) -> int:
        """The failed ones, rolled back or not."""
        return sum(self.statuses.get(str(status.value), 0) for status in FAILED)


def draw(hours: list[Hour]) -> SafeString:
    """The chart; its description has the totals."""
    highest = max((hour.done + hour.failed for hour in hours), default=0) or 1
    plot = HEIGHT - 1
    width = WIDTH / max(len(hours), 1)
    bars = []
    for number, hour in enumerate(hours):
        top_done, top_failed = (
            _height(hour.done, highest, plot),
            _height(hour.failed, highest, plot),
        )
        x, wide = f"{number * width + GAP / 2:.1f}", f"{width - GAP:.1f}"
        title = _("%(hour)s: %(done)d done, %(failed)d failed") % {
            "hour": times.hour(hour.begin),
            "done": hour.done,
            "failed": hour.failed,
        }
        bars.append(
            format_html(
                '<g><title>{}</title><rect class="dw-spark-done" x="{}" y="{}" width="{}" '
                'height="{}"/><rect class="dw-spark-failed" x="{}" y="{}" width="{}" '
                'height="{}"/></g>',
                title,
                x,
                f"{plot - top_done:.1f}",
                wide,
                f"{top_done:.1f}",
                x,
                f"{plot - top_done - top_failed:.1f}",
                wide,
                f"{top_failed:.1f}",
            )
        )
    total = sum(hour.done + hour.failed for hour in hours)
    return format_html(
        '<svg class="dw-spark" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-labelledby="dw-spark-title dw-spark-text" focusable="false">'
        '<title id="dw-spark-title">{}</title>'
        '<desc id="dw-spark-text">{}</desc>{}<line class="dw-spark-axis" x1="0" y1="{}" x2="{}" '
        'y2="{}"/></svg>',
        WIDTH,
        HEIGHT,
        _("Executions that ended in the last 24 hours"),
        _("%(total)d in all, at most %(highest)d in an hour.")
        % {"total": total, "highest": highest if total else 0},
        format_html_join("", "{}", ((bar,) for bar in bars)),
        plot,
        WIDTH,
        plot,
    )


def _height(count: int, highest: int, plot: int) -> float:
    """The height of a bar: two pixels at least, so that one execution is visible."""
    return max(plot * 0.92 * count / highest, 2.0) if count else 0.0
