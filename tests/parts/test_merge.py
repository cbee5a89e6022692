"""The three-way merge by itself: changes against a base, their sum, their conflicts."""

from __future__ import annotations

from typing import Any
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from durable import MergeConflict, append, codec, increment
from durable.engine.row import merge

VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("xyz é", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)
DATA: Any = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


def stored(data: Any) -> Any:
    """The data as a branch's row keeps it."""
    return codec.loads(codec.dumps(data, keep_increments=True))


def deep(base: Any, branches: list[tuple[str, Any]]) -> Any:
    """The merge of branches into data that nothing else has changed."""
    return merge.deep(base, base, branches)


class ChangeTests(TestCase):
    @given(DATA, DATA)
    def test_the_changes_of_one_branch_bring_about_its_data_but_for_keys_left_out(
        self, base: Any, data: Any
    ) -> None:
        full = merge.apply(base, merge.changes(base, data), base)
        for key, value in data.items():
            if not isinstance(value, dict):
                self.assertTrue(codec.alike(full[key], value), (full, data))
        for key in base.keys() - data.keys():
            self.assertEqual(full[key], base[key])

    @given(DATA)
    def test_nothing_changed_is_no_change(self, base: Any) -> None:
        self.assertEqual(merge.changes(base, stored(base)), {})

    @given(DATA, DATA)
    def test_changes_are_storable(self, base: Any, data: Any) -> None:
        made = merge.changes(base, data)
        self.assertEqual(merge.apply(base, stored(made), base), merge.apply(base, made, base))

    @given(DATA, DATA, DATA)
    def test_two_branches_that_touch_different_keys_merge_in_either_order(
        self, base: Any, one: Any, two: Any
    ) -> None:
        one = {**base, **{k: v for k, v in one.items() if k in "ab"}}
        two = {**base, **{k: v for k, v in two.items() if k in "cd"}}
        left = deep(base, [("1", one), ("2", two)])
        right = deep(base, [("2", two), ("1", one)])
        self.assertTrue(codec.alike(left, right))
        merge.check_strict(base, [("1", one), ("2", two)])

    def test_types_count_as_changes(self) -> None:
        self.assertEqual(deep({"x": 1}, [("a", {"x": True})])["x"], True)
        self.assertIs(deep({"x": 1}, [("a", {"x": True})])["x"], True)
        self.assertIs(type(deep({"x": 1}, [("a", {"x": 1.0})])["x"]), float)

    def test_types_inside_lists_count_as_changes(self) -> None:
        result = deep({"x": [1]}, [("a", {"x": [True]}), ("b", {"x": [1]})])
        self.assertIs(result["x"][0], True)

    def test_an_empty_dict_that_is_added_is_a_change(self) -> None:
        self.assertEqual(deep({}, [("a", {"d": {}})]), {"d": {}})

    def test_deep_recurses_into_dicts(self) -> None:
        base = {"d": {"x": {"p": 1, "q": 1}, "y": 1}}
        one = {"d": {"x": {"p": 2, "q": 1}, "y": 1}}
        two = {"d": {"x": {"p": 1, "q": 2}, "y": 1, "z": 3}}
        self.assertEqual(
            deep(base, [("1", one), ("2", two)]),
            {"d": {"x": {"p": 2, "q": 2}, "y": 1, "z": 3}},
        )

    def test_increments_inside_dicts_add_up(self) -> None:
        base = {"d": {"n": 1}}
        one = {"d": increment(base["d"], "n", 2)}
        two = {"d": increment(base["d"], "n", 3)}
        self.assertEqual(deep(base, [("1", stored(one)), ("2", stored(two))]), {"d": {"n": 6}})

    def test_an_assignment_then_increments_is_a_plain_change(self) -> None:
        base = {"n": 1}
        one = increment({"n": 100}, "n", 1)
        two = increment(base, "n", 5)
        self.assertEqual(deep(base, [("1", stored(one)), ("2", stored(two))])["n"], 106)
        with self.assertRaises(MergeConflict):
            merge.check_strict(base, [("1", stored(one)), ("2", stored(two))])

    def test_what_cant_be_added_to_an_earlier_branchs_value_wins_the_conflict_whole(self) -> None:
        base = {"n": 5, "l": [1, 2], "d": {"a": 1, "b": 2, "in": {"x": 1, "y": 1}}}
        one = {"n": None, "l": "text", "d": {"a": 1, "b": 2, "in": "text"}}
        two = append(increment(base, "n"), "l", 3)
        two["d"] = {"a": 1, "b": 2, "in": {"x": 2, "y": 1}}
        self.assertEqual(deep(base, [("1", one), ("2", stored(two))]), two)
        three = {**one, "d": None}
        self.assertEqual(deep(base, [("1", three), ("2", stored(two))]), two)

    def test_appends_keep_branch_order(self) -> None:
        base = {"l": [0]}
        one, two = append(append(base, "l", 1), "l", 2), append(base, "l", 3)
        branches = [("1", stored(one)), ("2", stored(two))]
        merge.check_strict(base, branches)
        self.assertEqual(deep(base, branches)["l"], [0, 1, 2, 3])

    def test_conflicts_name_every_place(self) -> None:
        base = {"d": {"x": 0, "y": 0}, "n": 0}
        with self.assertRaisesRegex(MergeConflict, r"data\['d'\]\['x'\].*data\['n'\]"):
            merge.check_strict(
                base,
                [("1", {"d": {"x": 1, "y": 0}, "n": 1}), ("2", {"d": {"x": 2, "y": 0}, "n": 2})],
            )

    def test_the_same_change_twice_is_no_conflict_but_another_type_is(self) -> None:
        merge.check_strict({}, [("1", {"x": 1}), ("2", {"x": 1})])
        with self.assertRaises(MergeConflict):
            merge.check_strict({}, [("1", {"x": 1}), ("2", {"x": True})])

    def test_floats_and_decimals_add_up(self) -> None:
        from decimal import Decimal

        base = {"f": 0.5, "d": Decimal("1.10")}
        one = increment(increment(base, "f", 0.25), "d", Decimal("0.05"))
        two = increment(increment(base, "f", 0.25), "d", Decimal("0.05"))
        self.assertEqual(
            deep(base, [("1", stored(one)), ("2", stored(two))]),
            {"f": 1.0, "d": Decimal("1.20")},
        )
