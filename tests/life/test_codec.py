"""What is stored comes back as it was: same types, same equality; the rest is refused by place."""

from __future__ import annotations

import copy
import math
import pickle
import random
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.db.models import IntegerChoices, TextChoices
from django.test import SimpleTestCase, override_settings
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from durable import codec, increments
from durable.errors import DurableError, NotSerializable

BERLIN = ZoneInfo("Europe/Berlin")
OFFSET = timezone(timedelta(hours=5, minutes=30, seconds=15, microseconds=7))

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
keys = texts | st.sampled_from(["~t", "~v", "~", "~~t", "\\u0000", ""])
zones = st.none() | st.sampled_from(
    [UTC, BERLIN, ZoneInfo("UTC"), ZoneInfo("Australia/Lord_Howe"), OFFSET]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.binary(max_size=20)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.uuids()
    | st.dates()
    | st.times(timezones=zones)
    | st.datetimes(timezones=zones)
    | st.timedeltas()
)
members = st.recursive(
    scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5
)
values = st.recursive(
    scalars | st.sets(members, max_size=4) | st.frozensets(members, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=20,
)


def shape(value: Any) -> Any:
    """The value with its types, its zones and its folds spelled out."""
    kind = type(value)
    if isinstance(value, dict):
        return kind, [(key, type(key), shape(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return kind, [shape(item) for item in value]
    if isinstance(value, set | frozenset):
        return kind, sorted(repr(shape(item)) for item in value)
    if isinstance(value, datetime | time):
        zone = value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else value.utcoffset()
        return kind, value.replace(tzinfo=None), value.fold, zone
    return kind, repr(value)


def stored(value: Any) -> Any:
    return codec.loads(codec.dumps(value))


def fault(value: Any, **options: Any) -> NotSerializable:
    try:
        codec.dumps(value, **options)
    except NotSerializable as error:
        return error
    raise AssertionError("the value was not refused")


class Color(TextChoices):
    RED = "red", "Red"


class Size(IntegerChoices):
    BIG = 3, "Big"


class Plain(Enum):
    ONE = 1


class Money(Decimal):
    pass


Point = namedtuple("Point", "x y")


class RoundTripTests(SimpleTestCase):
    """Types and equality survive."""

    @given(values)
    def test_any_storable_value_comes_back_the_same(self, value: Any) -> None:
        back = stored(value)
        self.assertEqual(shape(back), shape(value))
        self.assertEqual(back, value)

    @given(st.dictionaries(keys, values, max_size=4))
    def test_any_data_comes_back_the_same_in_the_same_order(self, data: dict[str, Any]) -> None:
        back = codec.loads(codec.dump_data(data))
        self.assertEqual(list(back), list(data))
        self.assertEqual(shape(back), shape(data))

    def test_both_hours_of_a_night_in_october_stay_apart(self) -> None:
        for fold in (0, 1):
            moment = datetime(2025, 10, 26, 2, 30, tzinfo=BERLIN, fold=fold)
            back = stored(moment)
            self.assertEqual((back, back.fold, back.tzinfo), (moment, fold, BERLIN))
            self.assertEqual(back.utcoffset(), timedelta(hours=2 - fold))

    def test_a_zone_that_is_no_longer_known_keeps_the_instant(self) -> None:
        text = codec.dumps(datetime(2025, 7, 1, 12, tzinfo=BERLIN)).replace("Berlin", "Atlantis")
        self.assertEqual(codec.loads(text), datetime(2025, 7, 1, 10, tzinfo=UTC))

    def test_signed_zero_and_the_exponent_of_a_decimal_survive(self) -> None:
        self.assertEqual(math.copysign(1, stored(-0.0)), -1.0)
        self.assertEqual(str(stored(Decimal("1.10"))), "1.10")
        self.assertEqual(str(stored(Decimal("1E+30"))), "1E+30")

    def test_one_is_not_true_and_not_one_point_zero(self) -> None:
        self.assertEqual([type(item) for item in stored([1, True, 1.0])], [int, bool, float])

    def test_users_keys_that_look_like_tags_are_keys(self) -> None:
        data = {"~t": "date", "~v": "2025-01-01", "in": {"~t": "tuple", "~v": [1]}, "~": None}
        self.assertEqual(stored(data), data)

    def test_equal_sets_have_equal_texts(self) -> None:
        names = [f"name-{number}" for number in range(50)]
        text = codec.dumps(set(names))
        random.Random(1).shuffle(names)
        self.assertEqual(codec.dumps(set(names)), text)

    def test_plain_data_is_plain_compact_json(self) -> None:
        self.assertEqual(codec.dumps({"a": [1, None, "ü"]}), '{"a":[1,null,"ü"]}')

    def test_what_was_given_is_not_touched(self) -> None:
        data = {"when": date(2025, 1, 1), "items": [(1, 2)], "color": Color.RED}
        before = copy.deepcopy(data)
        codec.dumps(data)
        self.assertEqual(shape(data), shape(before))

    def test_a_text_of_a_newer_version_is_refused_with_its_type(self) -> None:
        with self.assertRaisesRegex(DurableError, "'matrix'"):
            codec.loads('{"~t":"matrix","~v":[]}')


class SubclassTests(SimpleTestCase):
    """A subclass of something storable is stored as the plain thing."""

    def test_choices_and_safe_strings_become_plain(self) -> None:
        cases: list[tuple[Any, Any]] = [
            (Color.RED, "red"),
            (Size.BIG, 3),
            (mark_safe("<b>"), "<b>"),
            (gettext_lazy("Yes"), "Yes"),
            (Money("1.20"), Decimal("1.20")),
            (
                type("Stamp", (datetime,), {})(2025, 1, 1, tzinfo=BERLIN),
                datetime(2025, 1, 1, tzinfo=BERLIN),
            ),
            (type("Day", (date,), {})(2025, 1, 1), date(2025, 1, 1)),
            (type("Ratio", (float,), {})(0.5), 0.5),
            (type("Id", (UUID,), {})(int=5), UUID(int=5)),
            (type("Raw", (bytes,), {})(b"x"), b"x"),
        ]
        for value, plain in cases:
            with self.subTest(plain=plain):
                self.assertEqual(shape(stored(value)), shape(plain))
                self.assertEqual(shape(stored({"in": [value]})), shape({"in": [plain]}))

    def test_containers_become_plain(self) -> None:
        ordered = OrderedDict(a=1, b=2)
        ordered.move_to_end("a")
        self.assertEqual(shape(stored(ordered)), shape({"b": 2, "a": 1}))
        self.assertEqual(shape(stored(defaultdict(list, a=[1]))), shape({"a": [1]}))
        self.assertEqual(shape(stored(type("Rows", (list,), {})([1]))), shape([1]))
        self.assertEqual(shape(stored(Point(1, Point(2, 3)))), shape((1, (2, 3))))

    def test_choices_are_keys_and_members_too(self) -> None:
        self.assertEqual(shape(stored({Color.RED: 1})), shape({"red": 1}))
        self.assertEqual(shape(stored({Color.RED})), shape({"red"}))
        tilde = type("Name", (str,), {})("~t")
        self.assertEqual(shape(stored({tilde: 1, Color.RED: 2})), shape({"~t": 1, "red": 2}))


class RefusalTests(SimpleTestCase):
    """What can't be stored is named: its place, its type, the reason."""

    def test_the_path_leads_to_the_value(self) -> None:
        data = {"items": [1, 2, 3, {"owner": object()}]}
        error = fault(data)
        self.assertEqual(error.path, 'data["items"][3]["owner"]')
        self.assertIn("object", error.reason)
        self.assertEqual(fault(data, path="input").path, 'input["items"][3]["owner"]')
        self.assertEqual(fault({"a": ({"b": {1, frozenset({1j})}},)}).path, 'data["a"][0]["b"]')

    def test_other_objects_are_refused_with_their_type(self) -> None:
        @dataclass
        class Order:
            id: int

        for value in (object(), Order(1), Plain.ONE, 1j, bytearray(b"x"), range(3), print, Order):
            with self.subTest(value=value):
                self.assertIn(type(value).__qualname__, fault([value]).reason)

    def test_model_instances_and_querysets_ask_for_primary_keys(self) -> None:
        for owner in (User(username="kim"), SimpleLazyObject(lambda: User(username="kim"))):
            error = fault({"owner": owner})
            self.assertEqual(error.path, 'data["owner"]')
            self.assertIn("primary key", error.reason)
        self.assertIn("primary keys", fault([User.objects.all()]).reason)
        self.assertIn("primary keys", fault([User.objects]).reason)

    def test_numbers_that_are_none_are_refused(self) -> None:
        for text in ("nan", "inf", "-inf"):
            for value in (float(text), Decimal(text)):
                for data in ({"a": [value]}, {"a": [[value]]}):
                    error = fault(data)
                    self.assertTrue(error.path.startswith('data["a"][0]'))
                    self.assertIn("NaN", error.reason)
        self.assertEqual(fault({"a": {math.inf}}).path, 'data["a"]')
        self.assertEqual(fault(Decimal("sNaN")).path, "data")

    def test_characters_that_no_database_holds_are_refused_in_values_and_keys(self) -> None:
        for bad in ("a\0b", "\ud800", "\udfff\ud800", mark_safe("\0"), gettext_lazy("\0")):
            self.assertEqual(fault({"a": [1, bad]}).path, 'data["a"][1]')
        self.assertEqual(fault({"a": {"\0": 1}}).path, 'data["a"]["\\u0000"]')
        for message in (str(fault({"\ud800": 1})), str(fault({"x\0": [object()]}))):
            self.assertNotIn("\0", message)
            message.encode()

    def test_an_escaped_nul_in_a_text_is_only_a_text(self) -> None:
        self.assertEqual(stored({"a": "\\u0000"}), {"a": "\\u0000"})

    def test_keys_must_be_strings(self) -> None:
        for key in (1, None, True, 1.5, (1, 2), Size.BIG, b"a"):
            error = fault({"a": {key: 1}})
            self.assertIn("keys must be strings", error.reason)
            self.assertTrue(error.path.startswith('data["a"]['))

    def test_a_hundred_levels_are_stored_and_one_more_is_refused(self) -> None:
        for wrap in (lambda inner: [inner], lambda inner: {"k": inner}, lambda inner: (inner,)):
            value: Any = 1
            for _ in range(100):
                value = wrap(value)
            self.assertEqual(stored(value), value)
            self.assertIn("100 levels", fault(wrap(value)).reason)

    def test_circles_and_towers_are_refused_without_a_crash(self) -> None:
        circle: list[Any] = [1]
        circle.extend([circle, circle])
        self.assertIn("100 levels", fault({"a": circle}).reason)
        self.assertLess(len(str(fault({"k" * 1000: circle}))), 1000)
        tower: list[Any] = []
        for _ in range(100_000):
            tower = [tower]
        self.assertIn("100 levels", fault(tower).reason)

    def test_shared_parts_that_multiply_are_refused_before_they_are_written(self) -> None:
        doubled: list[Any] = []
        for _ in range(90):
            doubled = [doubled, doubled]
        self.assertIn("MAX_DATA_BYTES", fault(doubled, limit=10_000).reason)
        self.assertIn("MAX_DATA_BYTES", fault(["x" * 10_000] * 1_000_000).reason)
        self.assertIn("MAX_DATA_BYTES", fault([10**4000] * 1_000_000).reason)

    def test_ints_that_python_would_not_read_back_are_refused(self) -> None:
        longest = 10**4300 - 1
        self.assertEqual(stored([longest, -longest]), [longest, -longest])
        self.assertEqual(fault({"a": 10**4300}).path, 'data["a"]')
        self.assertEqual(fault({10**5000: 1}).path, "data[<int>]")

    def test_too_large_says_size_limit_setting_and_where(self) -> None:
        error = fault({"small": 1, "rows": ["ü" * 50]}, limit=100)
        self.assertEqual(error.path, "data")
        for part in ("123 bytes", "limit of 100", 'DURABLE["MAX_DATA_BYTES"]', 'data["rows"]'):
            self.assertIn(part, error.reason)
        self.assertIn("10000002 bytes", fault("x" * 10_000_000).reason)

    def test_the_limit_counts_bytes_and_is_inclusive(self) -> None:
        self.assertEqual(len(codec.dumps("ü" * 4, limit=10).encode()), 10)
        fault("ü" * 4, limit=9)

    @override_settings(DURABLE={"MAX_DATA_BYTES": 10, "MAX_COLLECTED_BYTES": 20})
    def test_the_limit_is_that_of_the_settings(self) -> None:
        text = "x" * 10
        self.assertIn("limit of 10 ", fault(text).reason)
        self.assertEqual(codec.dumps(text, setting="MAX_COLLECTED_BYTES"), f'"{text}"')
        self.assertIn(
            '"MAX_COLLECTED_BYTES"', fault(text * 2, setting="MAX_COLLECTED_BYTES").reason
        )

    def test_objects_that_fail_when_looked_at_are_refused_like_others(self) -> None:
        class Broken:
            def __repr__(self) -> str:
                raise RuntimeError

            __str__ = __repr__

            def __getattribute__(self, name: str) -> Any:
                raise RuntimeError

        class Surly(dict[str, Any]):
            def items(self) -> Any:
                raise RuntimeError("no")

        class Nowhere(ZoneInfo):
            def utcoffset(self, dt: Any) -> Any:
                raise RuntimeError("no")

        self.assertIn("Broken", fault([Broken()]).reason)
        self.assertIn("Broken", fault({Broken(): 1}).reason)
        self.assertIn("RuntimeError", fault([Surly()]).reason)
        lost = datetime(2025, 1, 1, tzinfo=Nowhere("Europe/Berlin"))
        self.assertEqual(fault([lost]).path, "data[0]")

    def test_a_member_that_would_not_be_hashable_is_refused(self) -> None:
        frozen = type("Frozen", (dict,), {"__hash__": lambda self: 1})
        self.assertEqual(fault({"a": {frozen()}}).path, 'data["a"]')

    def test_data_must_be_a_dict(self) -> None:
        for value in ([1], "text", None, 3, ("a",)):
            with self.assertRaisesRegex(NotSerializable, "must be a dict"):
                codec.dump_data(value)
        self.assertEqual(codec.dump_data(OrderedDict(a=1)), '{"a":1}')

    def test_check_raises_the_same_and_returns_nothing(self) -> None:
        codec.check({"a": uuid4()})
        with self.assertRaisesRegex(NotSerializable, r"payload\[0\]"):
            codec.check([object()], "payload")


class IncrementTests(SimpleTestCase):
    """What was added is remembered until somebody assigns."""

    numbers = st.integers(-(10**6), 10**6)

    def test_a_counted_number_is_a_number_in_every_other_respect(self) -> None:
        for old, amount in ((1, 2), (1.5, 2), (1, 0.5), (Decimal("1.5"), 2), (2, Decimal("0.5"))):
            number = increments.incremented(old, amount)
            self.assertEqual(number, old + amount)  # type: ignore[operator]
            self.assertEqual(type(number).__mro__[2], type(old + amount))  # type: ignore[operator]
            self.assertEqual((number.delta, number.origin), (amount, old))
            self.assertEqual(f"{number}", f"{old + amount}")  # type: ignore[operator]

    def test_counting_on_adds_up_and_arithmetic_forgets(self) -> None:
        number: Any = increments.incremented(increments.incremented(5, 1), 2)
        self.assertEqual((number, number.delta, number.origin), (8, 3, 5))
        self.assertIs(type(number + 1), int)

    def test_copies_remember(self) -> None:
        data = {
            "n": increments.incremented(5, 1),
            "f": increments.incremented(0.5, 1),
            "d": increments.incremented(Decimal(5), 1),
            "l": increments.appended([1], 2),
        }
        text = codec.dumps(data, keep_increments=True)
        copies: list[dict[str, Any]] = [
            {**data},
            copy.copy(data),
            copy.deepcopy(data),
            {key: copy.copy(value) for key, value in data.items()},
            pickle.loads(pickle.dumps(data)),
            codec.loads(text),
        ]
        for same in copies:
            self.assertEqual(same, data)
            self.assertEqual(
                [type(item) for item in same.values()], [type(i) for i in data.values()]
            )
            self.assertEqual([same[key].delta for key in "nfd"], [1, 1, 1])
            self.assertEqual([same[key].origin for key in "nfd"], [5, 0.5, 5])
            self.assertEqual(same["l"].appended, 1)

    def test_without_keep_they_are_stored_plain(self) -> None:
        data = {"n": increments.incremented(5, 1), "l": increments.appended([], date(2025, 1, 1))}
        self.assertEqual(shape(stored(data)), shape({"n": 6, "l": [date(2025, 1, 1)]}))
        self.assertNotIn("~", codec.dumps({"n": increments.incremented(5, 1)}))

    def test_a_value_is_known_to_hold_increments_however_deep_they_are(self) -> None:
        number, grown = increments.incremented(5, 1), increments.appended([1], 2)
        deep: Any = number
        for _ in range(8):
            deep = {"in": [deep]}
        for value in (
            {"n": number},
            {"l": grown},
            deep,
            {"c": increments.Collected([{"n": number}])},
        ):
            for keep in (True, False):
                self.assertTrue(codec.write(value, keep_increments=keep).increments)
        for value in ({"n": 6}, {"l": [1, 2]}, {"c": increments.Collected([{"n": 6}])}):
            self.assertFalse(codec.write(value).increments)
            text = codec.write(value, keep_increments=True).text
            self.assertEqual(text, codec.write(value).text)

    @given(numbers, st.lists(numbers, min_size=1))
    def test_delta_since_tells_increments_from_assignments(self, base: int, by: list[int]) -> None:
        number: Any = base
        for amount in by:
            number = increments.incremented(number, amount)
        self.assertEqual(increments.delta_since(number, base), sum(by))
        self.assertIsNone(increments.delta_since(number, base + 1))
        self.assertIsNone(increments.delta_since(number))
        self.assertIsNone(increments.delta_since(int(number), base))
        fresh = increments.incremented(increments.MISSING, 4)
        self.assertEqual(increments.delta_since(fresh), 4)
        self.assertIsNone(increments.delta_since(fresh, base))

    @given(st.lists(numbers), st.lists(numbers, min_size=1))
    def test_items_since_tells_appends_from_assignments(
        self, base: list[int], new: list[int]
    ) -> None:
        grown: Any = base
        for item in new:
            grown = increments.appended(grown, item)
        self.assertEqual(increments.items_since(grown, base), new)
        self.assertIsNone(increments.items_since(list(grown), base))
        self.assertIsNone(increments.items_since(grown, [*base, 0]))
        grown.insert(0, "x")
        self.assertIsNone(increments.items_since(grown, base))
