"""How values, texts and times are written for people: masked, bounded, nothing invisible."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from durable.models import Outcome
from durable.showing.characters import visible
from durable.showing.masking import mask, mask_text
from durable.states import EventStatus, Status, StepStatus, WaitStatus

VALUE_CHARACTERS = 20_000
EVERYTHING = 4_000_000

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Shown:
    """Values as this person may see them; ``open`` if nothing has to be hidden."""

    open: bool

    def value(self, value: Any, limit: int = VALUE_CHARACTERS) -> str:
        """A value as JSON on many lines."""
        known = value if self.open else mask(value)
        return self.text(json.dumps(known, indent=2, ensure_ascii=False, default=_other), limit)

    def line(self, value: Any, limit: int = 120) -> str:
        """A value on one line; a text as it is."""
        known = value if self.open else mask(value)
        if not isinstance(known, str):
            known = json.dumps(known, ensure_ascii=False, default=_other)
        return self.text(known, limit)

    def text(self, text: Any, limit: int = VALUE_CHARACTERS) -> str:
        """A text such as a traceback."""
        return cut(visible(text if self.open else mask_text(str(text))), limit)

    def pairs(self, values: Any) -> list[tuple[str, str]]:
        """Tags: names with values on one line."""
        known = (values or {}) if self.open else mask(values or {})
        return [(visible(name), self.line(value)) for name, value in known.items()]


def _other(value: Any) -> Any:
    """Values that the codec knows and JSON does not."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def cut(text: str, limit: int) -> str:
    """The beginning of a text, saying how much is left out."""
    if len(text) <= limit:
        return text
    more = len(text) - limit
    return text[:limit] + ngettext("… %d more character", "… %d more characters", more) % more


# -- times -----------------------------------------------------------------------------------------


def ago(moment: datetime, present: datetime) -> str:
    """How far a moment is from the present, to the minute: it is the same for a minute."""
    span = present - moment
    size = abs(span)
    if size < MINUTE:
        return _("just now") if span >= timedelta(0) else _("in a moment")
    text = rough(size)
    return _("%s ago") % text if span > timedelta(0) else _("in %s") % text


def rough(size: timedelta) -> str:
    """A span in its largest unit."""
    if size < HOUR:
        return _("%d min") % (size // MINUTE)
    if size < DAY:
        return _("%d h") % (size // HOUR)
    if size < 60 * DAY:
        return ngettext("%d day", "%d days", size.days) % size.days
    if size < 2 * YEAR:
        return ngettext("%d month", "%d months", size.days // 30) % (size.days // 30)
    return ngettext("%d year", "%d years", size // YEAR) % (size // YEAR)


def duration(span: timedelta | None) -> str:
    """A span as exactly as people want it: ``38 ms``, ``4.2 s``, ``3 min 5 s``, ``2 d 4 h``."""
    if span is None:
        return ""
    seconds = max(span.total_seconds(), 0.0)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    for size, small, name, part in (
        (86_400, 3_600, "d", "h"),
        (3_600, 60, "h", "min"),
        (60, 1, "min", "s"),
    ):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {name} {rest} {part}" if rest else f"{whole // size} {name}"
    return ""


def absolute(moment: datetime) -> str:
    """A moment in the reader's zone, with the zone."""
    return localtime(moment).strftime("%Y-%m-%d %H:%M:%S %Z")


def moment(value: datetime | None, present: datetime) -> SafeString | str:
    """A relative time that says the absolute one when asked."""
    if value is None:
        return "–"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        absolute(value),
        ago(value, present),
    )


def exact(value: datetime | None, present: datetime) -> SafeString | str:
    """A relative time with the absolute one beside it, for pages that have the room."""
    if value is None:
        return "–"
    beside = '{} <span class="dw-quiet dw-exact">{}</span>'
    return format_html(beside, moment(value, present), absolute(value))


def short(pk: Any) -> str:
    """The beginning and the end of an id: a UUIDv7 tells its time first, then what is random."""
    text = str(pk)
    return f"{text[:8]}…{text[-6:]}"


_LABELS = {
    str(status.value): status.label
    for kind in (Outcome, EventStatus, WaitStatus, StepStatus, Status)
    for status in kind
}


def badge(status: Any, label: Any = None) -> SafeString:
    """A status as text on its colour."""
    text = label or _LABELS.get(str(status)) or status
    return format_html('<span class="dw-badge dw-is-{}">{}</span>', str(status), text)
