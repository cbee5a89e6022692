"""Text in a drawing: what fits, what is cut, and that any text can stand in XML."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from durable.drawing.text import cut, width, wrap
from durable.showing.characters import drawable

SPACE = 120.0


@given(st.text(max_size=200))
def test_any_text_is_cut_to_its_space(text: str) -> None:
    found = cut(text, SPACE, 13)
    assert width(found, 13) <= SPACE
    assert found == text or found.endswith("…")


@given(st.text(max_size=200), st.integers(1, 4))
def test_wrapped_lines_fit_and_nothing_is_lost_but_at_the_end(text: str, lines: int) -> None:
    found = wrap(text, SPACE, 13, lines=lines)
    assert 1 <= len(found) <= lines
    assert all(width(line, 13) <= SPACE for line in found)
    together = "".join("".join(found).split())
    if not together.endswith("…"):
        assert together == "".join(text.split())


@given(st.text(st.characters(exclude_categories=()), max_size=50))
def test_any_text_can_stand_in_xml_on_one_line(text: str) -> None:
    found = drawable(text)
    assert "\n" not in found
    element = ElementTree.Element("a")
    element.text = found
    assert ElementTree.fromstring(ElementTree.tostring(element)).text == (found or None)


def test_what_has_no_sign_and_what_turns_the_text_round_is_replaced() -> None:
    assert drawable("a\x00b") == "a�b"
    assert drawable("pay\u202egnp.exe") == "pay�gnp.exe"
    assert drawable("half \ud800 a pair") == "half � a pair"
    assert drawable(" two\n lines\t") == "two lines"


def test_names_are_broken_between_their_words() -> None:
    assert wrap("wait_until_trial_ends", 100, 13, lines=2) == ["wait_until_", "trial_ends"]
    assert wrap("SendTheMonthlyInvoice", 120, 13, lines=2) == ["SendTheMonthly", "Invoice"]
    assert wrap("Send the invoice", 80, 13, lines=2) == ["Send the", "invoice"]
    assert wrap("x" * 40, 100, 13, lines=2)[0] == "x" * 12


def test_wide_signs_take_more_room_and_marks_none() -> None:
    assert width("請求書", 10) > width("abc", 10) > width("ijl", 10)
    assert width("e\u0301", 10) == width("e", 10)
    assert width("abc", 10, bold=True) > width("abc", 10)


def test_a_mark_is_never_cut_from_its_letter() -> None:
    text = "e\u0301" * 100
    assert cut(text, 50, 13).removesuffix("…").endswith("e\u0301")
