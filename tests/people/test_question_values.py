"""A question is one typed value: stored as JSON with its wait, and read back as it was asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.test import SimpleTestCase

from durable import codec
from durable.authoring.self.context import People, QuestionSpec
from durable.models import Wait
from durable.people.question import Question

#: a row as releases before this one have written it
STORED: dict[str, Any] = {
    "type": "choice",
    "prompt": "Which?",
    "choices": [[1, "One"], [2, "Two"]],
    "multiple": True,
    "fields": [],
    "form": None,
    "metadata": {"required": False},
    "quorum": 1,
    "escalate": [[172800.0, "user:lee"], [172800.0, "group:board"]],
    "remind": 3600.0,
}
READ = Question(
    "choice",
    prompt="Which?",
    choices=((1, "One"), (2, "Two")),
    multiple=True,
    metadata={"required": False},
    escalate=((timedelta(days=2), "user:lee"), (timedelta(days=2), "group:board")),
    remind=timedelta(hours=1),
    assignees=("user:kim",),
    exclude=("user:max",),
)


class StoredTests(SimpleTestCase):
    """Live executions outlast a release: the format of the column does not change."""

    def test_a_stored_question_is_read_with_its_people(self) -> None:
        wait = Wait(question=STORED, assignees=["user:kim"], exclude=["user:max"])
        self.assertEqual(Question.of(wait), READ)

    def test_it_is_written_as_it_always_was(self) -> None:
        self.assertEqual(READ.stored(), STORED)
        self.assertEqual(codec.loads(codec.dumps(READ.stored())), STORED)

    def test_a_row_without_newer_keys_has_the_defaults(self) -> None:
        wait = Wait(question={"type": "text", "prompt": None, "quorum": None, "escalate": None})
        self.assertEqual(Question.of(wait), Question("text"))

    def test_a_wait_that_is_for_nobody_has_a_question_without_a_type(self) -> None:
        self.assertEqual(Question.of(Wait()), Question())

    def test_what_an_author_wrote_names_people_in_one_way(self) -> None:
        people = People(assignees=("user:kim",), escalate=((timedelta(1), ["user:a", "user:b"]),))
        asked = Question.asked(QuestionSpec("approval", quorum=2), people)
        self.assertTrue(asked.is_approval)
        self.assertEqual(asked.assignees, ("user:kim",))
        self.assertEqual(asked.escalate, ((timedelta(1), "user:a"), (timedelta(1), "user:b")))

    def test_escalation_has_its_moments_in_order_and_each_once(self) -> None:
        days = [timedelta(number) for number in (3, 1, 3)]
        question = Question(escalate=tuple((after, "user:kim") for after in days))
        self.assertEqual(question.escalations(), [timedelta(1), timedelta(3)])
