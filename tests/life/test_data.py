"""What a step returns is the data, and it comes back from storage as it went in."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import TextChoices
from django.utils.safestring import mark_safe

import durable
from durable import Retry, Workflow, step
from durable.testing import assert_completed, assert_step, drain, run
from tests.cases import WorkflowTestCase
from tests.life.cases import die_in_the_next_step, statuses


class Colour(TextChoices):
    RED = "red", "Red"


EVERYTHING: dict[str, Any] = {
    "none": None,
    "bool": True,
    "int": 2**70,
    "float": 1e22,
    "small": 0.1,
    "str": "Zoë 🎉",
    "list": [1, [2], {"a": []}],
    "dict": {"~t": "tuple", "b": 1, "a": 2},
    "datetime": datetime(2025, 3, 1, 12, 0, 0, 123456, tzinfo=UTC),
    "date": date(2025, 3, 1),
    "time": time(12, 30),
    "timedelta": timedelta(days=-1, microseconds=7),
    "decimal": Decimal("1.10"),
    "uuid": UUID(int=7),
    "bytes": b"\x00\xff",
    "tuple": (1, (2, "x")),
    "set": {1, 2},
    "frozenset": frozenset({"a"}),
}


def seen(value: Any) -> Any:
    """A value with the types of all its parts, to compare more than equality."""
    if isinstance(value, dict):
        return [(key, seen(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value).__name__, [seen(item) for item in value]
    return type(value).__name__, repr(sorted(value) if isinstance(value, set) else value)


class DataTests(WorkflowTestCase):
    def test_what_a_step_returns_replaces_the_data(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"b": 2}

        execution = run(P, {"a": 1})
        assert_completed(execution)
        self.assertEqual(execution.result, {"b": 2})
        self.assertEqual(execution.input, {"a": 1})

    def test_nothing_of_the_input_comes_back_behind_a_steps_back(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {}

            @step
            def two(self, data):
                return {"got": data}

        self.assertEqual(run(P, {"a": 1}).result, {"got": {}})

    def test_none_passes_on_the_data_with_what_was_changed_in_place(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                data["list"].append(2)
                del data["gone"]
                data["new"] = True

        execution = run(P, {"list": [1], "gone": 0})
        self.assertEqual(execution.result, {"list": [1, 2], "new": True})

    def test_what_a_failed_attempt_changed_in_place_is_gone_in_the_next(self) -> None:
        class P(Workflow):
            @step(retry=Retry(3, base=timedelta(0)))
            def one(self, data):
                data["n"] += 1
                if self.attempt < 3:
                    raise ValueError

        self.assertEqual(run(P, {"n": 0}).result, {"n": 1})

    def test_no_input_is_an_empty_dict(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"got": data}

        self.assertEqual(run(P).result, {"got": {}})

    def test_any_other_result_fails_the_step_at_once_without_a_retry(self) -> None:
        wrong: list[Any] = [[1], "text", 0, False, (), {1}, object(), b"", [("a", 1)]]
        for value in wrong:
            with self.subTest(value=value):

                class P(Workflow):
                    @step(retry=5)
                    def one(self, data, value=value):
                        return value

                execution = run(P)
                error = self.assertFailed(execution, "InvalidStepResult", "one")
                self.assertIn(type(value).__name__, error["message"])
                assert_step(execution, "one", status="failed", attempts=1)


class ReadBackTests(WorkflowTestCase):
    def test_each_step_gets_the_types_that_were_stored(self) -> None:
        got: list[Any] = []

        class P(Workflow):
            @step
            def one(self, data):
                got.append(seen(data))
                return data

            @step
            def two(self, data):
                got.append(seen(data))

        execution = run(P, EVERYTHING)
        assert_completed(execution)
        self.assertEqual(got, [seen(EVERYTHING)] * 2)
        self.assertEqual(seen(execution.result), seen(EVERYTHING))
        self.assertEqual(seen(execution.steps[1].input), seen(EVERYTHING))

    def test_a_first_run_and_one_after_a_crash_get_the_same(self) -> None:
        got: list[Any] = []

        class P(Workflow):
            @step(atomic=False)
            def one(self, data):
                got.append(seen(data))

        durable.start(P, EVERYTHING)
        drain()
        durable.start(P, EVERYTHING)
        die_in_the_next_step()
        drain()
        self.assertEqual(len(got), 2)
        self.assertEqual(got[0], got[1])

    def test_subclasses_of_scalars_are_plain_on_the_first_run_already(self) -> None:
        got: list[Any] = []

        class Int(int):
            pass

        class P(Workflow):
            @step
            def one(self, data):
                got.append(data)
                return {"colour": Colour.RED, "text": mark_safe("<b>"), "n": Int(3)}

            @step
            def two(self, data):
                got.append(data)

        run(P, {"colour": Colour.RED, "text": mark_safe("<i>"), "n": Int(3)})
        for data in got:
            self.assertEqual([type(value) for value in data.values()], [str, str, int])
            self.assertEqual(data["colour"], "red")

    def test_a_step_never_shares_an_object_with_the_step_before(self) -> None:
        kept: list[Any] = []

        class P(Workflow):
            @step
            def one(self, data):
                inner: list[int] = []
                kept.append(inner)
                return {"inner": inner, "again": inner}

            @step
            def two(self, data):
                kept[0].append("later")
                data["inner"].append(1)

        self.assertEqual(run(P).result, {"inner": [1], "again": []})

    def test_the_callers_input_is_left_alone(self) -> None:
        given = {"list": [1]}

        class P(Workflow):
            @step
            def one(self, data):
                data["list"].append(2)

        self.assertEqual(run(P, given).result, {"list": [1, 2]})
        self.assertEqual(given, {"list": [1]})

    def test_the_history_has_what_went_in_and_out_of_each_step(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                return {"n": 1}

            @step
            def two(self, data):
                return {"n": 2}

        execution = run(P, {"n": 0})
        rows = [(row.name, row.input, row.output) for row in execution.steps]
        self.assertEqual(rows, [("one", {"n": 0}, {"n": 1}), ("two", {"n": 1}, {"n": 2})])
        self.assertEqual(statuses(execution), [("one", 1, "completed"), ("two", 1, "completed")])


class RefusedResultTests(WorkflowTestCase):
    def refused(self, value: Any, words: str, *, retry: int = 5) -> dict[str, Any]:
        class P(Workflow):
            @step(retry=retry)
            def one(self, data):
                return {"items": [0, {"owner": value}]}

        execution = run(P, {"kept": 1})
        error = self.assertFailed(execution, "NotSerializable", words)
        self.assertIn('data["items"][1]["owner"]', error["message"])
        self.assertIn("one", error["message"])
        self.assertEqual(error["step"], "one")
        self.assertEqual(execution.data, {"kept": 1})
        assert_step(execution, "one", status="failed", attempts=1)
        return error

    def test_a_model_instance_is_refused_with_the_advice_to_pass_its_key(self) -> None:
        self.refused(User(pk=3), "primary key")

    def test_what_cant_be_stored_fails_the_step_with_path_type_and_step(self) -> None:
        deep: list[Any] = []
        for _ in range(120):
            deep = [deep]
        wrong: list[tuple[Any, str]] = [
            (object(), "object"),
            (float("nan"), "NaN"),
            (float("-inf"), "Infinity"),
            (Decimal("NaN"), "NaN"),
            ("a\0b", "NUL"),
            ("\ud800", "surrogate"),
            (lambda: 0, "function"),
        ]
        for value, words in wrong:
            with self.subTest(words):
                self.refused(value, words)

    def test_keys_that_are_no_strings_and_depth_are_refused(self) -> None:
        deep: list[Any] = []
        for _ in range(120):
            deep = [deep]
        for value, words in [({1: 2}, "strings"), (deep, "100")]:

            class P(Workflow):
                @step(retry=2)
                def one(self, data, value=value):
                    return {"v": value}

            self.assertFailed(run(P), "NotSerializable", words)

    def test_data_above_the_limit_is_refused(self) -> None:
        class P(Workflow):
            @step(retry=2)
            def one(self, data):
                return {"text": "x" * data["size"]}

        with self.settings(DURABLE={"MAX_DATA_BYTES": 2000}):
            assert_completed(run(P, {"size": 1900}))
            error = self.assertFailed(run(P, {"size": 2000}), "NotSerializable", "MAX_DATA_BYTES")
            self.assertIn('data["text"]', error["message"])
        assert_completed(run(P, {"size": 1024 * 1024 - 20}))
        self.assertFailed(run(P, {"size": 1024 * 1024}), "NotSerializable")

    def test_what_was_changed_in_place_is_checked_too(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                data["when"] = object()

        self.assertFailed(run(P), "NotSerializable", 'data["when"]')
