"""Ten years of slots in four zones, one by one, against another implementation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from random import Random
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from durable.authoring.calendar.cron import slots_after
from tests.calendar.test_cron import changes

#: north, north, south, and one whose clocks changed at midnight (until 2019)
ZONES = ["America/New_York", "Europe/Berlin", "Australia/Sydney", "America/Sao_Paulo"]
FIRST, LAST = 2017, 2026
BEGIN, END = datetime(FIRST, 1, 1, tzinfo=UTC), datetime(LAST + 1, 1, 1, tzinfo=UTC)

#: the months and the day of the week in which clocks change
MONTHS, SUNDAY = "2,3,4,10,11", "0"
SAMPLE = 20
SEED = 20260801


def sample() -> list[str]:
    """Expressions with fixed hours, most of them at night, where clocks change."""
    dice = Random(SEED)

    def some(low: int, high: int, most: int) -> str:
        found = sorted(dice.sample(range(low, high + 1), dice.randint(1, most)))
        return ",".join(map(str, found))

    def span(low: int, high: int) -> str:
        first = dice.randint(low, high - 1)
        return f"{first}-{dice.randint(first + 1, high)}"

    found = ["30 2 * * *", f"0 0 * {MONTHS} *"]
    while len(found) < SAMPLE:
        minute = dice.choice([some(0, 59, 2), "0", "30", f"{span(0, 59)}/20"])
        hour = dice.choice([some(0, 4, 2), some(0, 4, 1), some(0, 23, 1), "1-3"])
        days = [
            f"* {some(1, 12, 2)} *",
            f"* {MONTHS} {SUNDAY}",
            f"* * {some(0, 6, 2)}",
            f"{some(1, 31, 3)} * *",
            f"{some(1, 28, 2)} {some(1, 12, 4)} {some(0, 6, 1)}",  # either of them
        ]
        found.append(f"{minute} {hour} {dice.choice(days)}")
    return found


#: every hour: these follow real time
HOURLY = [f"30 * * {MONTHS} {SUNDAY}", f"0 */6 * {MONTHS} 6,{SUNDAY}"]


def ours(expression: str, zone: str) -> list[datetime]:
    """Our slots of the ten years."""
    return list(takewhile(lambda slot: slot < END, slots_after(expression, zone, BEGIN)))


def theirs(expression: str, zone: str) -> list[datetime]:
    """The slots of cronsim; it may name the end of a gap twice."""
    slots: Iterator[datetime] = CronSim(expression, BEGIN.astimezone(ZoneInfo(zone)))
    found = takewhile(lambda slot: slot < END, (slot.astimezone(UTC) for slot in slots))
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("zone", ZONES)
def test_ten_years_of_slots_agree_with_cronsim(zone: str) -> None:
    expressions = [*sample(), *HOURLY]
    compared = 0
    for expression in expressions:
        expected = theirs(expression, zone)
        assert ours(expression, zone) == expected, expression
        compared += len(expected)
    assert len(set(expressions)) == SAMPLE + len(HOURLY)
    assert compared > 10_000


def of_ten_years(zone: str) -> list[tuple[datetime, timedelta]]:
    """Every change of clocks, and by how much they go forward."""
    info = ZoneInfo(zone)
    found = []
    for at in (at for year in range(FIRST, LAST + 1) for at in changes(zone, year)):
        if not any(at == other for other, _ in found):
            after, before = (moment.astimezone(info) for moment in (at, at - timedelta(minutes=1)))
            found.append((at, (after.utcoffset() or at - at) - (before.utcoffset() or at - at)))
    return found


def on(day: datetime, expression: str, zone: str) -> list[datetime]:
    """The slots of a local day."""
    info = ZoneInfo(zone)
    begin = day.replace(hour=0, minute=0)
    slots = slots_after(expression, zone, begin.astimezone(UTC) - timedelta(microseconds=1))
    found = takewhile(lambda slot: slot.astimezone(info).date() <= begin.date(), slots)
    return [slot for slot in found if slot.astimezone(info).date() == begin.date()]


@pytest.mark.parametrize("zone", ZONES)
def test_in_ten_years_a_gap_fires_at_its_end_and_a_repeated_hour_once_the_first_time(
    zone: str,
) -> None:
    info, seen = ZoneInfo(zone), {1: 0, -1: 0}
    for change, by in of_ten_years(zone):
        after = change.astimezone(info)
        forward = by > timedelta(0)
        # half an hour into what does not exist, or exists twice
        wall = (after - by if forward else after).replace(tzinfo=None) + timedelta(minutes=30)
        expression = f"{wall.minute} {wall.hour} {wall.day} {wall.month} *"
        day = after if forward else wall.replace(tzinfo=info)
        first = change if forward else wall.replace(tzinfo=info, fold=0).astimezone(UTC)
        assert on(day, expression, zone) == [first], (change, expression)
        seen[1 if forward else -1] += 1
    if zone == "America/Sao_Paulo":
        assert seen == {1: 2, -1: 3}  # 2017 to 2019
    else:
        assert seen == {1: 10, -1: 10}
