"""Values, texts, times and the badge of a status as HTML: masked, cut, nothing invisible."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import ngettext

from durable.models import Outcome
from durable.showing import times, values
from durable.showing.characters import visible
from durable.showing.masking import Masking
from durable.states import EventStatus, Status, StepStatus, WaitStatus

VALUE_CHARACTERS = 20_000
EVERYTHING = 4_000_000


@dataclass(frozen=True)
class Shown:
    """Values as one user may see them; ``open`` if nothing is masked."""

    open: bool

    @property
    def masking(self) -> Masking:
        """The masking for this user."""
        return Masking(off=self.open)

    def value(self, value: Any, limit: int = VALUE_CHARACTERS) -> str:
        """A value as JSON on several lines."""
        known = self.masking.value(value)
        return self.text(values.block(known), limit)

    def line(self, value: Any, limit: int = 120) -> str:
        """A value on one line; a text without quotes."""
        known = self.masking.value(value)
        if not isinstance(known, str):
            known = values.line(known)
        return self.text(known, limit)

    def text(self, text: Any, limit: int = VALUE_CHARACTERS) -> str:
        """A text, for example a traceback."""
        return cut(visible(self.masking.text(str(text))), limit)

    def pairs(self, tags: Any) -> list[tuple[str, str]]:
        """Tags as names with values on one line."""
        known = self.masking.value(tags or {})
        return [(visible(name), self.line(value)) for name, value in known.items()]


def cut(text: str, limit: int) -> str:
    """The beginning of a text, with the number of characters left out."""
    if len(text) <= limit:
        return text
    more = len(text) - limit
    return text[:limit] + ngettext("… %d more character", "… %d more characters", more) % more


# -- times -----------------------------------------------------------------------------------------


def moment(value: datetime | None, present: datetime) -> SafeString | str:
    """A relative time with the absolute one as its tooltip."""
    if value is None:
        return "–"
    return stamped(value, times.ago(value, present))


def stamped(value: datetime, text: str) -> SafeString:
    """A text with the absolute time as its tooltip."""
    stamp = '<time datetime="{}" title="{}">{}</time>'
    return format_html(stamp, value.isoformat(), times.absolute(value), text)


def exact(value: datetime | None, present: datetime) -> SafeString | str:
    """A relative time with the absolute one beside it, for pages with room for both."""
    if value is None:
        return "–"
    beside = '{} <span class="dw-quiet dw-exact">{}</span>'
    return format_html(beside, moment(value, present), times.absolute(value))


def short(pk: Any) -> str:
    """The beginning and the end of an id: of a UUIDv7 the time and the random part."""
    text = str(pk)
    return f"{text[:8]}…{text[-6:]}"


_LABELS = {
    str(status.value): status.label
    for kind in (Outcome, EventStatus, WaitStatus, StepStatus, Status)
    for status in kind
}


def badge(status: Any, label: Any = None) -> SafeString:
    """A status as a badge: its label on its colour."""
    text = label or _LABELS.get(str(status)) or status
    return format_html('<span class="dw-badge dw-is-{}">{}</span>', str(status), text)
