"""A human answer fits what was asked, or is refused with a message per field."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib.auth.models import Group, User
from django.db.models import TextChoices
from django.http import QueryDict
from django.test import SimpleTestCase, TestCase
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from durable import codec
from durable.authoring.self.context import People, QuestionSpec
from durable.authoring.self.decision import Decision
from durable.errors import DefinitionError, InvalidInput
from durable.models import Wait
from durable.people.form import ANSWER, build_form, validate
from durable.people.question import Question


class Color(TextChoices):
    RED = "red", "Red"
    BLUE = "blue", "Blue"


class ContractForm(forms.Form):
    title = forms.CharField(max_length=10)
    starts = forms.DateField()
    price = forms.DecimalField(required=False)
    tags = forms.MultipleChoiceField(choices=[("a", "A"), ("b", "B")], required=False)
    file = forms.FileField(required=False)
    moment = forms.SplitDateTimeField(required=False)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("title") == "bug":
            raise TypeError("a fault of the form itself")
        if data.get("title") == "odd":
            data["title"] = object()
        if data.get("title") == "whole":
            raise forms.ValidationError("The whole is wrong.")
        return data


class Hiring:
    forms: ClassVar = {"contract": ContractForm}


def ask(type: str, **options: Any) -> Question:
    """The stored question, read back."""
    fields = tuple(options.pop("fields", ()))
    asked = Question.asked(QuestionSpec(type, fields=fields, **options), People())
    return Question.of(Wait(question=codec.loads(codec.dumps(asked.stored()))))


def choice(*values: Any, **options: Any) -> Question:
    return ask("choice", choices=tuple((value, f"Label {value}") for value in values), **options)


def field(name: str, type: str = "text", **options: Any) -> dict[str, Any]:
    return {"name": name, "type": type, **options}


class AnswerTests(SimpleTestCase):
    """What every kind of question has in common."""

    def valid(self, question: Question, answer: Any, expected: Any) -> None:
        value = validate(question, answer, Hiring)
        self.assertEqual(value, expected)
        self.assertIs(type(value), type(expected))
        again = validate(question, value, Hiring)
        self.assertEqual(again, value, "an answer that was cleaned is still an answer")

    def all_refused(self, question: Question, *wrong: Any) -> None:
        for answer in wrong:
            self.refused(question, answer)

    def refused(self, question: Question, answer: Any, *fields: str) -> InvalidInput:
        with self.assertRaises(InvalidInput) as caught:
            validate(question, answer, Hiring)
        errors = caught.exception.errors
        self.assertEqual(set(errors), set(fields or ("__all__",)))
        for messages in errors.values():
            self.assertTrue(messages)
            for message in messages:
                message.encode()
                self.assertNotIn("\0", message)
        return caught.exception


class SingleValueTests(AnswerTests):
    """Questions whose answer is one value."""

    def test_an_approval_is_approved_or_rejected(self) -> None:
        question = ask("approval")
        self.valid(question, "approved", "approved")
        self.valid(question, Decision("rejected", by="kim"), "rejected")
        self.valid(question, True, "approved")
        self.valid(question, False, "rejected")
        self.all_refused(question, "yes", "", None, 1, "Approved", ["approved"], {"a": 1})

    def test_a_choice_is_one_of_the_values_and_of_its_type(self) -> None:
        question = choice("small", 1, True, None, Decimal("2.50"), date(2025, 1, 1))
        self.valid(question, "small", "small")
        self.valid(question, 1, 1)
        self.valid(question, True, True)
        self.valid(question, None, None)
        self.valid(question, 2.5, Decimal("2.50"))
        self.valid(question, date(2025, 1, 1), date(2025, 1, 1))
        self.all_refused(
            question, "large", 2, False, ["small"], {}, "Label small", "sma\0ll", "\ud800"
        )

    def test_the_text_of_a_choice_will_do_if_only_one_has_it(self) -> None:
        owner = UUID(int=7)
        question = choice(1, True, owner, Decimal("2.50"))
        self.valid(question, "1", 1)
        self.valid(question, "true", True)
        self.valid(question, "True", True)
        self.valid(question, str(owner), owner)
        self.valid(question, "2.50", Decimal("2.50"))
        self.refused(choice(1, Decimal("1")), "1")
        self.valid(choice(1, "1"), "1", "1")
        self.valid(choice(1, "1"), 1, 1)
        self.valid(choice(True, "true"), "true", "true")

    def test_members_of_django_choices_are_choices(self) -> None:
        question = ask("choice", choices=tuple(Color.choices))
        self.valid(question, Color.RED, "red")
        self.valid(question, "blue", "blue")

    def test_several_choices_are_a_list_without_repetition(self) -> None:
        question = choice("a", "b", 3, multiple=True)
        self.valid(question, ["b", 3], ["b", 3])
        self.valid(question, ["3", "a"], [3, "a"])
        self.valid(question, ("a",), ["a"])
        self.all_refused(question, [], "a", None, ["c"], ["a", "a"], [3, "3"], {"a": 1}, [["a"]])

    def test_a_text_is_a_text_that_says_something(self) -> None:
        question = ask("text")
        self.valid(question, "hello", "hello")
        self.all_refused(question, "", "  ", None, 5, True, ["a"], {"a": 1}, "a\0b", "\ud800", b"a")

    def test_metadata_can_say_that_no_answer_is_an_answer(self) -> None:
        self.valid(ask("text", metadata={"required": False}), "", "")
        self.valid(ask("number", metadata={"required": False}), None, None)
        self.valid(choice("a", metadata={"required": False}), "", None)
        self.valid(choice("a", multiple=True, metadata={"required": False}), [], [])

    def test_a_number_is_exact(self) -> None:
        question = ask("number")
        for answer in ("12.50", Decimal("12.50"), 12.5):
            self.valid(question, answer, Decimal("12.5"))
        self.valid(question, 12, Decimal(12))
        self.all_refused(question, "", "twelve", True, float("nan"), float("inf"), "NaN", [1], None)

    def test_an_integer_is_whole(self) -> None:
        question = ask("integer")
        for answer in (3, "3", 3.0, Decimal(3)):
            self.valid(question, answer, 3)
        self.all_refused(question, 3.5, "3.5", True, "three", 10**5000, [3], None, "")

    def test_yes_and_no_must_both_be_said(self) -> None:
        question = ask("boolean")
        for yes in (True, "true", "on", "1", "Yes"):
            self.valid(question, yes, True)
        for no in (False, "false", "off", "0", "no"):
            self.valid(question, no, False)
        self.all_refused(question, "", None, 1, 0, "maybe", [True])

    def test_dates_and_times_come_typed_or_as_text(self) -> None:
        self.valid(ask("date"), "2025-03-01", date(2025, 3, 1))
        self.valid(ask("date"), date(2025, 3, 1), date(2025, 3, 1))
        noon = datetime(2025, 3, 1, 12, tzinfo=UTC)
        for answer in (noon, "2025-03-01T12:00:00Z", "2025-03-01T13:00+01:00", "2025-03-01T12:00"):
            self.valid(ask("datetime"), answer, noon)
        with timezone.override("Europe/Berlin"):
            self.valid(ask("datetime"), "2025-03-01T13:00", noon)
        for type in ("date", "datetime"):
            self.all_refused(ask(type), "soon", "", None, 20250301, True, ["2025-03-01"], {})
            self.all_refused(ask(type), "2025-02-30", "2025-03-01T25:00")

    def test_an_address_is_an_address(self) -> None:
        self.valid(ask("email"), "kim@example.org", "kim@example.org")
        self.all_refused(ask("email"), "kim", "", 5, None, "a\0@example.org")

    def test_an_answer_that_is_too_large_is_refused(self) -> None:
        self.assertIn("MAX_DATA_BYTES", str(self.refused(ask("text"), "x" * 2_000_000)))

    def test_a_type_that_nobody_knows_is_a_fault_of_the_definition(self) -> None:
        with self.assertRaisesRegex(DefinitionError, "'colour'"):
            validate(ask("colour"), "red", None)

    anything = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters())
        | st.binary()
        | st.datetimes()
        | st.decimals(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    )

    @given(anything)
    def test_no_answer_ever_crashes(self, answer: Any) -> None:
        types = ("approval", "text", "number", "integer", "boolean", "date", "datetime", "email")
        fields = [field(type, type) for type in types[1:]]
        questions = [ask(type) for type in types]
        questions += [choice("a", 1, True), choice("a", 1, multiple=True)]
        questions += [ask("form", fields=fields), ask("form", form="contract")]
        for question in questions:
            every = {spec["name"]: answer for spec in question.fields}
            every |= dict.fromkeys(ContractForm.base_fields, answer) if question.form else {}
            for given_answer in (answer, every):
                try:
                    value = validate(question, given_answer, Hiring)
                except InvalidInput as error:
                    str(error).encode()
                else:
                    codec.check(value)


class FormTests(AnswerTests):
    """Questions with fields, and those that a Django form asks."""

    def test_each_field_is_cleaned(self) -> None:
        question = ask(
            "form",
            fields=[
                field("name"),
                field("count", "integer"),
                field("size", "choice", choices=[[1, "One"], ["L", "Large"]]),
                field("agreed", "boolean"),
                field("note", required=False),
                field("due", "date", required=False),
            ],
        )
        complete = {"name": "Kim", "count": 2, "size": 1, "agreed": False, "note": "", "due": None}
        self.valid(question, complete, complete)
        texts = {"name": "Kim", "count": "2", "size": "1", "agreed": "false"}
        self.valid(question, texts, complete)
        self.refused(question, {}, "name", "count", "size", "agreed")
        self.refused(question, {**complete, "count": "two", "due": 5}, "count", "due")

    def test_an_unknown_field_is_refused_along_with_the_other_faults(self) -> None:
        question = ask("form", fields=[field("name"), field("count", "integer")])
        self.refused(question, {"name": "Kim", "count": "x", "nmae": 1}, "count", "nmae")
        self.refused(question, {"name": "Kim", "count": 1, 5: 1}, "5")
        self.refused(question, {"name": "Kim", "count": 1, "\ud800": 1}, "\\ud800")

    def test_only_an_object_answers_a_form(self) -> None:
        for question in (ask("form", fields=[field("name")]), ask("form", form="contract")):
            self.all_refused(question, "Kim", ["Kim"], None, 5, True)

    def test_fields_may_have_any_name(self) -> None:
        names = ["errors", "data", "fields", "clean", "is_valid", "prefix", "answer", "the name"]
        question = ask("form", fields=[field(name) for name in names])
        self.valid(question, dict.fromkeys(names, "x"), dict.fromkeys(names, "x"))

    def test_a_named_form_cleans_typed_values_and_texts(self) -> None:
        question = ask("form", form="contract")
        cleaned = {
            "title": "Cook",
            "starts": date(2025, 5, 1),
            "price": Decimal("9.50"),
            "tags": ["a", "b"],
            "file": None,
            "moment": None,
        }
        given_answer = {
            "title": "Cook",
            "starts": "2025-05-01",
            "price": "9.50",
            "tags": ["a", "b"],
        }
        for answer in (given_answer, {**given_answer, "starts": date(2025, 5, 1), "price": 9.5}):
            self.assertEqual(validate(question, answer, Hiring), cleaned)
        post = QueryDict("title=Cook&starts=2025-05-01&price=9.50&tags=a&tags=b&csrf=x")
        self.assertEqual(validate(question, post, Hiring), cleaned)
        parts = {**given_answer, "moment_0": "2025-05-01", "moment_1": "12:00"}
        noon = datetime(2025, 5, 1, 12, tzinfo=UTC)
        self.assertEqual(validate(question, parts, Hiring)["moment"], noon)

    def test_a_named_form_has_its_own_messages(self) -> None:
        question = ask("form", form="contract")
        good = {"title": "Cook", "starts": "2025-05-01"}
        self.refused(question, {"title": "far too long a title"}, "title", "starts")
        self.refused(question, {**good, "title": "whole"}, "__all__")
        self.refused(question, {**good, "tilte": "x"}, "tilte")
        self.refused(question, {**good, "starts": 5}, "starts")
        self.refused(question, {**good, "title": "a\0"}, "title")
        self.refused(question, {**good, "tags": ["\ud800"]}, "tags")

    def test_what_a_form_cleans_must_be_storable(self) -> None:
        answer = {"title": "odd", "starts": "2025-05-01"}
        error = self.refused(ask("form", form="contract"), answer, "title")
        self.assertIn("object", str(error))

    def test_a_fault_of_the_form_itself_is_not_blamed_on_the_answer(self) -> None:
        with self.assertRaisesRegex(TypeError, "fault of the form"):
            validate(ask("form", form="contract"), {"title": "bug", "starts": "2025-05-01"}, Hiring)

    def test_a_form_that_the_class_lost_is_named(self) -> None:
        with self.assertRaisesRegex(DefinitionError, r"'lease', which Hiring\.forms lacks"):
            validate(ask("form", form="lease"), {}, Hiring)
        with self.assertRaises(DefinitionError):
            validate(ask("form", form="lease"), {}, None)


class DoorTests(SimpleTestCase):
    """The form that a door shows takes the answers that it offers."""

    def test_an_unbound_form_has_the_fields_and_no_errors(self) -> None:
        form = build_form(ask("form", fields=[field("name", label="Who", help_text="All")]))
        self.assertFalse(form.is_bound)
        self.assertIn("Who", form.as_p())
        self.assertIn("All", form.as_p())

    def test_what_the_widget_offers_is_accepted(self) -> None:
        question = choice(1, True, None, "L")
        form = build_form(question)
        offered = [key for key, _label in form.fields[ANSWER].choices]  # type: ignore[attr-defined]
        for key, value in zip(offered, [1, True, None, "L"], strict=True):
            answer = validate(question, str(key))
            self.assertEqual((answer, type(answer)), (value, type(value)))
        form = build_form(ask("approval", prompt="Pay?"), None, {ANSWER: "approved"})
        self.assertTrue(form.is_valid())
        self.assertIn("Pay?", form.as_p())
        self.assertEqual(form.cleaned_data, {ANSWER: "approved"})

    def test_an_optional_choice_can_be_left_empty(self) -> None:
        question = ask(
            "form", fields=[field("size", "choice", choices=[["L", "L"]], required=False)]
        )
        form = build_form(question, None, QueryDict("size="))
        self.assertTrue(form.is_valid())
        self.assertEqual(form.cleaned_data, {"size": None})

    def test_several_choices_come_from_a_post(self) -> None:
        question = choice("a", 2, multiple=True)
        form = build_form(question, None, QueryDict("answer=a&answer=2"))
        self.assertTrue(form.is_valid())
        self.assertEqual(form.cleaned_data, {"answer": ["a", 2]})


class HandoverForm(forms.Form):
    to = forms.ModelChoiceField(User.objects.all())
    groups = forms.ModelMultipleChoiceField(Group.objects.all(), required=False)


class Handover:
    forms: ClassVar = {"handover": HandoverForm}


class RowTests(TestCase):
    """A Django form may ask for rows; the step gets their primary keys."""

    def test_rows_that_a_form_chooses_become_primary_keys(self) -> None:
        kim = User.objects.create_user("kim")
        groups = [Group.objects.create(name=name) for name in ("a", "b")]
        question = Question.asked(QuestionSpec("form", form="handover"), People())
        keys = [group.pk for group in groups]
        for answer in (
            {"to": kim.pk, "groups": keys},
            {"to": str(kim.pk), "groups": [*map(str, keys)]},
        ):
            value = validate(question, answer, Handover)
            self.assertEqual(value["to"], kim.pk)
            self.assertCountEqual(value["groups"], keys)

    def test_rows_that_are_not_there_are_refused(self) -> None:
        question = Question.asked(QuestionSpec("form", form="handover"), People())
        for to in (0, "x", "\0", 10**30, True, [1], {"a": 1}, None):
            with self.assertRaises(InvalidInput) as caught:
                validate(question, {"to": to, "groups": 5}, Handover)
            self.assertEqual(set(caught.exception.errors), {"to", "groups"})
