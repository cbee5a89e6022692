"""What schedules promise: standard cron only, and slots that follow the wall clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from durable.authoring import Cron, OnEvent
from durable.authoring.calendar.cron import ALIASES, slots_after, zone_of
from durable.errors import DefinitionError, NotSerializable

NEW_YORK = "America/New_York"  # 2024: forward 10 March 02:00, back 3 November 02:00
BERLIN = "Europe/Berlin"  # 2024: forward 31 March 02:00, back 27 October 03:00
LORD_HOWE = "Australia/Lord_Howe"  # by half an hour: back 7 April 2024, forward 6 October 2024
ZONES = [
    NEW_YORK, BERLIN, LORD_HOWE, "America/Sao_Paulo", "Asia/Kolkata", "Africa/Cairo",
    "Pacific/Apia", "UTC", "Australia/Sydney", "America/St_Johns",
]  # fmt: skip


def local(expression: str, zone: str, start: str, number: int) -> list[str]:
    """The next slots as local times with their offset; ``start`` is local."""
    after = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone))
    found = islice(slots_after(expression, zone, after), number)
    return [slot.astimezone(ZoneInfo(zone)).strftime("%d %H:%M %z") for slot in found]


# -- what is accepted ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expression",
    [
        "0 9 * * *", "*/15 * * * *", "0 0 29 2 *", "0 0 * * sun", "0 0 * * 7", "0 0 1 jan,Jul *",
        "1,2,5-9 0-23/2 1-15 * mon-fri", "  0  0 * * * ", *ALIASES, "@DAILY",
    ],
)  # fmt: skip
def test_standard_expressions_and_aliases_are_accepted(expression: str) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    assert next(Cron(expression, timezone="UTC").slots_after(start)) > start


@pytest.mark.parametrize(
    "expression",
    [
        "", "* * * *", "* * * * * *", "* * * * * * *", "0 0 ? * *", "0 0 L * *", "0 0 15W * *",
        "0 0 * * 5L", "0 0 * * 1#2", "R * * * *", "H H * * *", "H(0-5) * * * *", "60 * * * *",
        "0 24 * * *", "0 0 0 * *", "0 0 32 * *", "0 0 * 13 *", "0 0 * * 8", "*/0 * * * *",
        "5-1 * * * *", "0 22-2 * * *", "5/10 * * * *", "0 0 30 2 *", "0 0 31 4,6 *", "@reboot",
        "@dayly", "0 0 * foo *", "mon * * * *", "-1 * * * *", "1.5 * * * *", "* * * * *;",
        "٣ * * * *", 5, None,
    ],
)  # fmt: skip
def test_anything_else_is_refused_at_definition(expression: Any) -> None:
    with pytest.raises(DefinitionError):
        Cron(expression)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timezone": "Europe/Berln"}, "time zone"),
        ({"timezone": "../etc"}, "time zone"),
        ({"timezone": 5}, "time zone"),
        ({"catch_up": "last"}, "catch_up"),
        ({"overlap": "queu"}, "Did you mean 'queue'"),
        ({"jitter": 5}, "jitter"),
        ({"jitter": -timedelta(1)}, "jitter"),
        ({"input": []}, "input"),
        ({"name": ""}, "name"),
        ({"timezne": "UTC"}, "Did you mean 'timezone'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        Cron("@daily", **options)


@pytest.mark.parametrize("value", [object(), float("nan"), {1: 2}, "\0"])
def test_an_input_that_can_not_be_stored_is_refused_at_definition(value: Any) -> None:
    with pytest.raises(NotSerializable, match=r'input\["x"\]'):
        Cron("@daily", input={"x": value})


def test_refusals_say_what_is_wrong() -> None:
    with pytest.raises(DefinitionError, match="'0 0 30 2 \\*' never fires"):
        Cron("0 0 30 2 *")
    with pytest.raises(DefinitionError, match="6 fields instead of five"):
        Cron("0 0 0 * * *")
    with pytest.raises(DefinitionError, match=r"'@dayly'.*'@daily'"):
        Cron("@dayly")
    with pytest.raises(DefinitionError, match="5-59/10"):
        Cron("5/10 * * * *")


def test_a_trigger_needs_the_name_of_an_event() -> None:
    assert OnEvent("user.signed_up").name == "user.signed_up"
    with pytest.raises(DefinitionError):
        OnEvent("")


def test_the_zone_is_djangos_when_asked_unless_one_is_given() -> None:
    with override_settings(TIME_ZONE="Asia/Tokyo"):
        assert str(zone_of(None)) == "Asia/Tokyo"
        nine = next(Cron("0 9 * * *").slots_after(datetime(2024, 1, 1, tzinfo=UTC)))
    assert nine == datetime(2024, 1, 2, 0, tzinfo=UTC)
    assert str(zone_of(BERLIN)) == BERLIN


# -- where the clocks change -----------------------------------------------------------------


def test_a_time_in_the_gap_fires_at_the_first_instant_after_it() -> None:
    assert local("30 2 * * *", NEW_YORK, "2024-03-09T00:00", 3) == [
        "09 02:30 -0500",
        "10 03:00 -0400",
        "11 02:30 -0400",
    ]
    assert local("*/20 2 * * *", NEW_YORK, "2024-03-09T12:00", 2) == [
        "10 03:00 -0400",  # once, though three times lie in the gap
        "11 02:00 -0400",
    ]


def test_the_end_of_the_gap_is_not_fired_twice() -> None:
    assert local("30 2,3 * * *", NEW_YORK, "2024-03-10T00:00", 3) == [
        "10 03:00 -0400",
        "10 03:30 -0400",
        "11 02:30 -0400",
    ]
    assert local("0 2,3 * * *", NEW_YORK, "2024-03-10T00:00", 2) == [
        "10 03:00 -0400",
        "11 02:00 -0400",
    ]


def test_a_time_that_comes_twice_fires_the_first_time() -> None:
    assert local("30 1 * * *", NEW_YORK, "2024-11-02T12:00", 2) == [
        "03 01:30 -0400",
        "04 01:30 -0500",
    ]
    assert local("*/30 1 * * *", NEW_YORK, "2024-11-02T12:00", 3) == [
        "03 01:00 -0400",
        "03 01:30 -0400",
        "04 01:00 -0500",
    ]


def test_a_worker_that_starts_in_the_repeated_hour_does_not_fire_again() -> None:
    second = datetime(2024, 11, 3, 1, 15, tzinfo=ZoneInfo(NEW_YORK), fold=1)
    found = next(slots_after("30 1 * * *", NEW_YORK, second))
    assert found == datetime(2024, 11, 4, 6, 30, tzinfo=UTC)


def test_every_quarter_of_an_hour_runs_through_both_hours_and_over_the_gap() -> None:
    for start in (datetime(2024, 11, 3, 3, tzinfo=UTC), datetime(2024, 3, 10, 4, tzinfo=UTC)):
        found = list(islice(slots_after("*/15 * * * *", NEW_YORK, start), 24))
        assert found == [start + timedelta(minutes=15 * n) for n in range(1, 25)]


def test_every_hour_has_no_slot_in_the_gap() -> None:
    assert local("30 * * * *", NEW_YORK, "2024-03-10T01:00", 2) == [
        "10 01:30 -0500",
        "10 03:30 -0400",
    ]


def test_a_change_by_half_an_hour_is_followed_too() -> None:
    assert local("15 2 * * *", LORD_HOWE, "2024-10-05T12:00", 2) == [
        "06 02:30 +1100",
        "07 02:15 +1100",
    ]
    assert local("45 1 * * *", LORD_HOWE, "2024-04-06T12:00", 2) == [
        "07 01:45 +1100",
        "08 01:45 +1030",
    ]


def test_a_day_that_was_skipped_fires_at_its_end() -> None:
    # Samoa went from 29 December 2011 straight to the 31st.
    assert local("0 12 * * *", "Pacific/Apia", "2011-12-29T13:00", 2) == [
        "31 00:00 +1400",
        "31 12:00 +1400",
    ]


def test_slots_are_later_than_the_given_instant_even_by_a_microsecond() -> None:
    nine = datetime(2024, 1, 1, 9, tzinfo=UTC)
    just_before = nine - timedelta(microseconds=1)
    assert next(slots_after("0 9 * * *", "UTC", nine)) == nine + timedelta(days=1)
    assert next(slots_after("0 9 * * *", "UTC", just_before)) == nine
    with pytest.raises(TypeError, match="aware"):
        next(slots_after("0 9 * * *", "UTC", nine.replace(tzinfo=None)))


# -- against another implementation ----------------------------------------------------------

FIXED = ["30 2 * * *", "0 0 * * *", "15 1,3 * * *", "0 9 * * 1-5", "59 23 * * *", "5 0 1 * *"]
MORE = ["* * * * *", "*/20 2 * * *", "10-50/20 1-3 * * *"]
HOURLY = ["*/15 * * * *", "0 * * * *", "30 * * * *", "7,37 * * * *", "0 */2 * * *", "20 */3 * * *"]


HOUR = timedelta(hours=1)


def changes(zone: str, year: int) -> list[datetime]:
    """The instants of a year at which the clocks of a zone change."""
    info = ZoneInfo(zone)
    minutes = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(366)]
    found = []
    for low, high in pairwise(minutes):
        before, after = low, high
        if before.astimezone(info).utcoffset() == after.astimezone(info).utcoffset():
            continue
        while after - before > timedelta(minutes=1):
            middle = before + timedelta(minutes=(after - before) // timedelta(minutes=2))
            same = middle.astimezone(info).utcoffset() == low.astimezone(info).utcoffset()
            before, after = (middle, after) if same else (before, middle)
        found.append(after)
    return found


def until(end: datetime, slots: Iterator[datetime]) -> list[datetime]:
    """The slots before ``end``."""
    return list(takewhile(lambda slot: slot < end, slots))


def is_by_whole_hours(change: datetime, zone: str) -> bool:
    """Whether a change begins at a full hour and shifts by full hours."""
    local = change.astimezone(ZoneInfo(zone))
    earlier = (change - timedelta(minutes=1)).astimezone(ZoneInfo(zone))
    shift = (local.utcoffset() or HOUR) - (earlier.utcoffset() or HOUR)
    return not shift % HOUR and local.minute == 0 and abs(shift) == HOUR


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("expression", FIXED + HOURLY)
def test_every_change_of_clocks_agrees_with_cronsim(expression: str, zone: str) -> None:
    compared = 0
    for change in (at for year in (2011, 2016, 2018, 2024) for at in changes(zone, year)):
        if not is_by_whole_hours(change, zone):
            continue  # cronsim steps by whole hours of real time and loses slots; tests above
        start, end = (
            change - timedelta(days=3),
            change + timedelta(days=32 if expression in FIXED else 3),
        )
        oracle = CronSim(expression, start.astimezone(ZoneInfo(zone)))
        expected = until(end, (slot.astimezone(UTC) for slot in oracle))
        # cronsim may name the end of a gap twice
        assert until(end, slots_after(expression, zone, start)) == list(dict.fromkeys(expected))
        compared += 1
    assert compared or zone in ("UTC", "Asia/Kolkata", LORD_HOWE)


@given(
    after=st.datetimes(datetime(2023, 1, 1), datetime(2025, 1, 1)),  # noqa: DTZ001
    zone=st.sampled_from(ZONES),
    expression=st.sampled_from(FIXED + HOURLY + MORE),
)
def test_slots_ascend_and_do_not_depend_on_where_one_begins(
    after: datetime, zone: str, expression: str
) -> None:
    first = after.replace(tzinfo=UTC)
    slots = list(islice(slots_after(expression, zone, first), 60))
    assert first < slots[0]
    assert all(one < next for one, next in pairwise(slots))
    for at in (0, 20, 40):
        assert next(slots_after(expression, zone, slots[at])) == slots[at + 1]
