"""When an attempt is repeated, after what delay; and what a Decision is."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable.authoring import Decision, Retry
from durable.errors import DefinitionError

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("backoff", "seconds"),
    [("exponential", [1, 2, 4, 8]), ("linear", [1, 2, 3, 4]), ("constant", [1, 1, 1, 1])],
)
def test_the_delay_grows_as_documented(backoff: Any, seconds: list[int]) -> None:
    retry = Retry(backoff=backoff)
    assert [retry.delay(n, 0.5) for n in (1, 2, 3, 4)] == [n * SECOND for n in seconds]


def test_jitter_spreads_by_a_quarter_either_way() -> None:
    retry = Retry(base=timedelta(seconds=100), backoff="constant")
    assert retry.delay(1, 0.0) == timedelta(seconds=75)
    assert retry.delay(1, 1.0) == timedelta(seconds=125)


@given(
    attempt=st.integers(min_value=1, max_value=10**20),
    random=st.floats(min_value=0, max_value=1),
    backoff=st.sampled_from(["exponential", "linear", "constant"]),
    base=st.timedeltas(timedelta(0), timedelta(days=2_900_000)),
)
def test_the_delay_is_never_above_max_delay_and_never_overflows(
    attempt: int, random: float, backoff: Any, base: timedelta
) -> None:
    longest = timedelta(hours=2)
    delay = Retry(backoff=backoff, base=base, max_delay=longest).delay(attempt, random)
    assert timedelta(0) <= delay <= longest


def test_errors_are_retried_by_class() -> None:
    retry = Retry(on=OSError, give_up_on=(FileNotFoundError,))
    assert retry.retries(ConnectionError())
    assert not retry.retries(FileNotFoundError())
    assert not retry.retries(ValueError())
    assert Retry().retries(ValueError())
    assert not Retry().retries(KeyboardInterrupt())


def test_a_number_is_short_for_attempts() -> None:
    assert Retry.of(5) == Retry(max_attempts=5)
    assert Retry.of(None) is None
    assert Retry.of(Retry(backoff="linear")) == Retry(backoff="linear")


@pytest.mark.parametrize(
    "options",
    [
        {"max_attempts": 0},
        {"max_attempts": True},
        {"backoff": "expo"},
        {"base": 1},
        {"base": -SECOND},
        {"max_delay": 60},
        {"jitter": 2},
        {"jitter": "a bit"},
        {"on": "ValueError"},
        {"on": (ValueError, 5)},
        {"give_up_on": BaseException},
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match=next(iter(options))):
        Retry(**options)


def test_a_misspelt_option_is_refused_with_a_suggestion() -> None:
    with pytest.raises(
        DefinitionError, match=r"Retry: unknown option 'max_atempts'.*'max_attempts'"
    ):
        Retry(max_atempts=3)  # type: ignore[call-arg]
    assert copy.copy(Retry(3)) == Retry(3)
    assert pickle.loads(pickle.dumps(Retry(3))) == Retry(3)


@pytest.mark.parametrize("value", ["5", True, 0, 2.5])
def test_what_is_no_retry_is_refused(value: Any) -> None:
    with pytest.raises(DefinitionError):
        Retry.of(value)


def test_a_decision_is_its_text_and_true_only_if_approved() -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    decision = Decision("approved", by="kim", comment="ok", at=at)
    assert decision == "approved"
    assert decision
    assert (decision.by, decision.comment, decision.at) == ("kim", "ok", at)
    for other in ("rejected", "auto_rejected", ""):
        assert not Decision(other)
    assert {"approved": 1}[decision] == 1


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))]
)
def test_a_decision_survives_copying_and_pickling(clone: Any) -> None:
    other = clone(Decision("approved", by="kim", comment="ok"))
    assert isinstance(other, Decision)
    assert (other, other.by, other.comment, other.at) == ("approved", "kim", "ok", None)
