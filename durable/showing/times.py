"""Write times and time spans: one way for each medium, in the reader's time zone."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from durable import clock
from durable.conf import database

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
YEAR = timedelta(days=365)

SPANS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


# -- pages -----------------------------------------------------------------------------------------


def absolute(moment: datetime) -> str:
    """A time to the second, with the zone."""
    return localtime(moment).strftime("%Y-%m-%d %H:%M:%S %Z")


def ago(moment: datetime, present: datetime) -> str:
    """The distance of a time from the present; stays the same for a minute."""
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
    """A span with about two digits' precision: ``38 ms``, ``4.2 s``, ``3 min 5 s``, ``2 d 4 h``."""
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


def slot(moment: datetime) -> str:
    """A slot of a schedule in the schedule's own zone, with the day of the week."""
    return moment.strftime("%a %Y-%m-%d %H:%M %Z")


def hour(moment: datetime) -> str:
    """The hour that begins at this time."""
    return localtime(moment).strftime("%H:00")


def of_day(moment: datetime) -> str:
    """The time of day of a log record, to the millisecond."""
    return localtime(moment).strftime("%H:%M:%S.%f")[:-3]


def in_words(moment: datetime, present: datetime | None = None) -> str:
    """A time within a sentence; without the date if it is today."""
    local = localtime(moment)
    if local.date() == localtime(present or clock.read(database())).date():
        return date_format(local, "H:i")
    return date_format(local, "j M Y, H:i")


def in_drawing(moment: datetime) -> str:
    """A time in a node of a drawing, where there is little room."""
    return date_format(localtime(moment), "j M H:i")


# -- mails, and the page that a link in one opens --------------------------------------------------


def in_mail(moment: datetime) -> str:
    """A time in the language's format, with the zone: the recipient's zone is not known."""
    local = localtime(moment)
    return f"{date_format(local, 'DATETIME_FORMAT')} {local.tzname()}"


# -- terminals -------------------------------------------------------------------------------------


def in_cell(moment: datetime | None) -> str:
    """A time to the second; ``-`` for none."""
    return "-" if moment is None else f"{localtime(moment):%Y-%m-%d %H:%M:%S}"


def age(moment: datetime | None, present: datetime) -> str:
    """The time since (or until) a moment, in two units at most; ``-`` for none."""
    if moment is None:
        return "-"
    away = (present - moment).total_seconds()
    return span(away) if away >= 0 else f"in {span(-away)}"


def span(seconds: float) -> str:
    """A time span in two units at most: ``2d 4h``, ``12s``, ``0.25s``."""
    if seconds < 1:
        return f"{seconds:.3g}s" if seconds >= 0.001 else "0s"
    left, words = round(seconds), list[str]()
    for size, unit in SPANS:
        count, left = divmod(left, size)
        if count:
            words.append(f"{count}{unit}")
        elif words:
            break
    return " ".join(words[:2])


# -- JSON ------------------------------------------------------------------------------------------


def in_seconds(span: timedelta | None) -> float | None:
    """A span of a column in seconds. (Spans in users' data are ISO 8601: ``values``.)"""
    return None if span is None else span.total_seconds()
