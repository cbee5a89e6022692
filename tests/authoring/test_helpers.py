"""Helpers change nothing they are given, and know the days of the zone that is asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.test import SimpleTestCase
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from durable import clock
from durable.authoring.self import context
from durable.helpers import (
    append,
    assign,
    days,
    end_of_day,
    hours,
    increment,
    minutes,
    next_business_day,
    next_weekday,
    seconds,
    update,
)

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
FRIDAY_NOON = datetime(2025, 3, 28, 12, tzinfo=UTC)  # two days before summer time in Berlin


class DataTests(SimpleTestCase):
    """Data in, new data out."""

    def test_assign_sets_one_value_or_several(self) -> None:
        data = {"a": 1}
        self.assertEqual(assign(data, "b", 2), {"a": 1, "b": 2})
        self.assertEqual(assign(data, a=3, b=2), {"a": 3, "b": 2})
        self.assertEqual(assign(data, {"a": 3, "b": 2}), {"a": 3, "b": 2})
        self.assertEqual(assign(data, "b", {"c": 1}), {"a": 1, "b": {"c": 1}})
        self.assertEqual(
            assign(data, data=1, key=2, value=3), {"a": 1, "data": 1, "key": 2, "value": 3}
        )
        self.assertEqual(data, {"a": 1})

    def test_assign_refuses_what_it_can_not_mean(self) -> None:
        wrong: Any = assign
        for args in (("a",), ("a", 1, 2), (["a"],)):
            with self.assertRaises(TypeError):
                wrong({}, *args)
        with self.assertRaises(TypeError):
            wrong({}, "a", 1, b=2)

    def test_update_gives_a_missing_key_the_default_without_asking_the_function(self) -> None:
        def never(old: Any) -> Any:
            raise AssertionError

        self.assertEqual(update({}, "n", 7, never), {"n": 7})
        self.assertEqual(update({"n": 1}, "n", 7, lambda old: old + 1), {"n": 2})
        self.assertEqual(update({"n": None}, "n", 7, lambda old: old), {"n": None})

    def test_append_starts_a_list_with_the_item(self) -> None:
        data = {"items": [1]}
        self.assertEqual(append(data, "items", 2), {"items": [1, 2]})
        self.assertEqual(append({}, "items", 2), {"items": [2]})
        self.assertEqual(data, {"items": [1]})

    def test_append_to_something_else_is_a_type_error(self) -> None:
        for value in (None, "text", (1,), 3):
            with self.assertRaisesRegex(TypeError, type(value).__name__):
                append({"items": value}, "items", 1)

    def test_increment_starts_with_the_amount(self) -> None:
        data = {"n": 1}
        self.assertEqual(increment(data, "n"), {"n": 2})
        self.assertEqual(increment(data, "n", amount=5), {"n": 6})
        self.assertEqual(increment({}, "n"), {"n": 1})
        self.assertEqual(increment({}, "n", 5), {"n": 5})
        self.assertEqual(increment({"n": Decimal("1.5")}, "n"), {"n": Decimal("2.5")})
        self.assertEqual(increment({"n": 0.5}, "n", -1), {"n": -0.5})
        self.assertEqual(data, {"n": 1})

    def test_increment_of_or_by_something_else_is_a_type_error(self) -> None:
        wrong: list[Any] = [None, "1", True, [], 1j]
        for value in wrong:
            with self.assertRaises(TypeError):
                increment({"n": value}, "n")
            with self.assertRaises(TypeError):
                increment({"n": 1}, "n", value)
        with self.assertRaises(TypeError):
            increment({"n": 0.5}, "n", Decimal(1))

    @given(st.dictionaries(st.text(), st.integers()), st.text(), st.integers())
    def test_nothing_given_is_ever_changed(self, data: dict[str, Any], key: str, by: int) -> None:
        before = dict(data)
        increment(data, key, by)
        assign(data, key, by)
        update(data, key, by, lambda old: old + by)
        self.assertEqual(data, before)
        held = {key: [1]}
        append(append(held, key, by), key, by)
        self.assertEqual(held, {key: [1]})


class SpanTests(SimpleTestCase):
    """Names for time spans."""

    def test_spans_are_timedeltas(self) -> None:
        self.assertEqual(seconds(30), timedelta(seconds=30))
        self.assertEqual(minutes(5), timedelta(minutes=5))
        self.assertEqual(hours(2), timedelta(hours=2))
        self.assertEqual(days(7), timedelta(days=7))
        self.assertEqual(hours(0.5), minutes(30))


class MomentTests(SimpleTestCase):
    """Days are those of the zone."""

    def at(self, moment: datetime) -> None:
        self.enterContext(clock.frozen(moment))

    def test_the_next_business_day_skips_weekend_and_holidays(self) -> None:
        self.at(FRIDAY_NOON)
        self.assertEqual(next_business_day(), datetime(2025, 3, 31, 9, tzinfo=UTC))
        closed = [date(2025, 3, 31), datetime(2025, 4, 1, 5, tzinfo=UTC)]
        self.assertEqual(next_business_day(8, holidays=closed), datetime(2025, 4, 2, 8, tzinfo=UTC))
        self.at(datetime(2025, 3, 26, 1, tzinfo=UTC))
        self.assertEqual(next_business_day(hour=0), datetime(2025, 3, 27, tzinfo=UTC))

    def test_the_next_weekday_is_never_today(self) -> None:
        self.at(FRIDAY_NOON)
        self.assertEqual(next_weekday("friday", 23), datetime(2025, 4, 4, 23, tzinfo=UTC))
        self.assertEqual(next_weekday("Saturday"), datetime(2025, 3, 29, 9, tzinfo=UTC))
        self.assertEqual(next_weekday("thursday"), datetime(2025, 4, 3, 9, tzinfo=UTC))
        with self.assertRaisesRegex(ValueError, "'someday'"):
            next_weekday("someday")

    def test_the_zone_decides_what_today_is(self) -> None:
        self.at(datetime(2025, 1, 5, 23, 30, tzinfo=UTC))  # Sunday; Monday 00:30 in Berlin
        self.assertEqual(end_of_day().date(), date(2025, 1, 5))
        self.assertEqual(end_of_day(BERLIN).date(), date(2025, 1, 6))
        self.assertEqual(
            next_business_day(tz="Europe/Berlin"), datetime(2025, 1, 7, 9, tzinfo=BERLIN)
        )
        self.assertEqual(next_business_day(tz=NEW_YORK), datetime(2025, 1, 6, 9, tzinfo=NEW_YORK))
        with timezone.override("Europe/Berlin"):
            self.assertEqual(next_weekday("monday"), datetime(2025, 1, 13, 9, tzinfo=BERLIN))

    def test_the_wall_clock_counts_across_a_change_of_clocks(self) -> None:
        self.at(FRIDAY_NOON)
        monday = next_business_day(tz=BERLIN)
        self.assertEqual((monday.hour, monday.utcoffset()), (9, timedelta(hours=2)))
        self.assertEqual(monday.tzinfo, BERLIN)

    def test_an_hour_that_does_not_exist_moves_past_the_gap(self) -> None:
        self.at(datetime(2025, 3, 29, 12, tzinfo=UTC))
        sunday = next_weekday("sunday", hour=2, tz=BERLIN)
        self.assertEqual((sunday.hour, sunday.utcoffset()), (3, timedelta(hours=2)))

    def test_an_hour_that_exists_twice_is_the_first(self) -> None:
        self.at(datetime(2025, 10, 25, 12, tzinfo=UTC))
        sunday = next_weekday("sunday", hour=2, tz=BERLIN)
        self.assertEqual((sunday.hour, sunday.utcoffset()), (2, timedelta(hours=2)))

    def test_the_end_of_the_day_is_its_last_microsecond(self) -> None:
        self.at(FRIDAY_NOON)
        self.assertEqual(end_of_day(), datetime(2025, 3, 28, 23, 59, 59, 999999, tzinfo=UTC))
        asuncion = ZoneInfo("America/Asuncion")  # clocks went back from 24:00 to 23:00
        self.at(datetime(2024, 3, 23, 12, tzinfo=UTC))
        end = end_of_day(asuncion)
        self.assertEqual(
            end.astimezone(UTC) + timedelta(microseconds=1), datetime(2024, 3, 24, 4, tzinfo=UTC)
        )

    @given(
        st.integers(0, 40 * 365 * 86400).map(
            lambda s: datetime(2000, 1, 1, tzinfo=UTC) + seconds(s)
        ),
        st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo"]),
        st.integers(4, 23),
    )
    def test_every_moment_is_ahead_and_at_its_hour(
        self, now: datetime, zone: str, hour: int
    ) -> None:
        with clock.frozen(now):
            today = now.astimezone(ZoneInfo(zone)).date()
            for moment in (next_business_day(hour, zone), next_weekday("tuesday", hour, zone)):
                self.assertGreater(moment, now)
                self.assertEqual((moment.hour, moment.minute, moment.second), (hour, 0, 0))
                self.assertIn((moment.date() - today).days, range(1, 8))
            self.assertEqual(next_weekday("tuesday", hour, zone).weekday(), 1)
            self.assertLess(next_business_day(hour, zone).weekday(), 5)
            self.assertEqual(end_of_day(zone).date(), today)
            self.assertGreater(end_of_day(zone), now - timedelta(microseconds=1))

    def test_inside_a_step_the_present_is_the_engines(self) -> None:
        class Running:
            def now(self) -> datetime:
                return datetime(2031, 5, 5, 12, tzinfo=UTC)

        token = context.enter(Running())
        try:
            self.assertEqual(end_of_day().date(), date(2031, 5, 5))
        finally:
            context.leave(token)

    def test_outside_a_step_it_is_that_of_the_machine(self) -> None:
        self.assertLessEqual(clock.local_now(), end_of_day())
