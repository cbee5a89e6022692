"""``manage.py durable_provide_input``: answer a question of an execution."""

from __future__ import annotations

from argparse import ArgumentParser

from durable.management.arguments import json_or_text
from durable.management.base import DurableCommand, Options, asked
from durable.people import answer
from durable.people.reach import inputs
from durable.storage import lookup


class Command(DurableCommand):
    help = (
        "Answer a question of an execution. The first answer wins; an answer that does not fit the "
        "question is refused, with a message for each field."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        """The question and the answer."""
        parser.add_argument("id", help="an execution's id, or its beginning")
        parser.add_argument("name", help="the question's name")
        parser.add_argument(
            "answer",
            help="approved, rejected, a text, or JSON such as an object for a form; - reads the "
            "answer from standard input",
        )
        parser.add_argument("--text", action="store_true", help="the answer is text, never JSON")
        parser.add_argument("--comment", default="", help="kept with the answer")
        parser.add_argument(
            "--branch", metavar="ID", help="the branch or item that asks, if several do"
        )

    def answer(self, options: Options) -> None:
        """Record the answer."""
        execution = self.execution(options["id"], asked(self.by, self.seen()))
        branch = options["branch"]
        if branch is not None:
            branch = self.execution(branch, lookup.parts_of(execution)).pk
        given = options["answer"]
        value = given if options["text"] else json_or_text(given, "the answer")
        name, comment = options["name"], options["comment"]
        if self.by is None:
            answer.provide_input(execution.pk, name, value, by=None, comment=comment, branch=branch)
        else:  # under the question's lock it is decided whether the user may answer
            named = inputs.QuestionAddress(execution.pk, name, branch)
            inputs.answer(named, value, by=self.by, comment=comment)
        execution.refresh_from_db()
        if self.as_json:
            self.show(
                {
                    "id": execution.pk,
                    "workflow": execution.workflow,
                    "status": execution.status,
                    "name": options["name"],
                }
            )
        else:
            self.say(f"{execution.pk} answered")
