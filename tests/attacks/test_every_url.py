"""Every URL, for everybody, by every method: who gets in, and what stays as it was."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from django.test import Client, TestCase, override_settings
from django.urls import resolve

from durable.models import AuditEntry
from durable.testing import isolate_workflows
from tests.attacks import every_url
from tests.attacks.cases import stored, undone
from tests.attacks.every_url import SETTINGS, Row, status_of
from tests.attacks.url_table import AS, ROLES

#: Who is tried: the columns of the table, and who gets what one of them gets.
EVERYBODY = (*ROLES, *AS)

#: Who tries methods that a URL does not have.
THOROUGH = ("anonymous", "superuser", "stranger")

#: What nobody of another tenant reads anywhere; ids of rows besides.
OTHERS = ("umbrella", "host:1", "key-1")

REFUSED = ("login", "401", "403", "404")


def cells(row: Row) -> Iterator[tuple[str, str]]:
    """Who tries a row, by which methods.

    A page that is shown is asked for by HEAD once; methods that are not there, by the thorough.
    """
    for role in EVERYBODY:
        for method in row.methods if role in THOROUGH else row.statuses:
            shown = method == "HEAD" and row.expected("GET", like(role, row)) not in REFUSED
            if not shown or role == "superuser":
                yield role, method


def like(role: str, row: Row) -> str:
    """The column of a role."""
    return AS[role][not row.url.startswith("/admin/")] if role in AS else role


class EveryUrlTests(TestCase):
    """The table, cell by cell."""

    cookies: dict[str, Any]
    named: dict[str, str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.enterClassContext(isolate_workflows())
        super().setUpClass()

    @classmethod
    def setUpTestData(cls) -> None:
        users = every_url.people()
        cls.named = every_url.rows(users["approver"])
        cls.cookies = every_url.sessions(users)

    def setUp(self) -> None:
        self.clients = {role: Client(raise_request_exception=False) for role in EVERYBODY}
        for role, cookies in self.cookies.items():
            self.clients[role].cookies = cookies
        self.table = every_url.table(self.named)
        self.before, self.wrong = stored(), list[str]()
        logging.disable(logging.ERROR)
        self.addCleanup(logging.disable, logging.NOTSET)

    def expected(self, row: Row, method: str, role: str) -> str:
        """What the table says of a role, or of the role that this one is like."""
        return row.expected(method, like(role, row))

    def ask(self, row: Row, method: str, role: str) -> None:
        """Ask, and note what differs from the table."""
        answer = row.ask(self.clients[role], method)
        found, expected = status_of(answer), self.expected(row, method, role).rstrip("!")
        if found != expected:
            self.wrong.append(f"{method} {row.name} as {role}: {found}, not {expected}")
        is_link = row.url.startswith("/durable/answer/")  # is for whoever has it
        if (
            role == "stranger"
            and not is_link
            and (told := self.told(answer, f"{row.url} {row.body}"))
        ):
            self.wrong.append(f"{method} {row.name} tells a stranger {told}")

    def told(self, answer: Any, asked: str) -> list[str]:
        """What an answer says of the other tenant that was not asked with."""
        said = f"{answer.content.decode()} {answer.headers} {answer.cookies}"
        words = (*OTHERS, *(name[-12:] for name in self.named.values()))
        return [word for word in words if word in said and word not in asked]

    def test_everybody_gets_what_the_table_says(self) -> None:
        with override_settings(DURABLE=SETTINGS):
            for row in self.table:
                done = []
                with undone():
                    for role, method in cells(row):
                        if self.expected(row, method, role).endswith("!"):
                            done.append((role, method))
                        else:
                            self.ask(row, method, role)
                    if stored() != self.before:
                        self.wrong.append(f"{row.name}: what is refused has changed something")
                for role, method in done:
                    with undone():
                        before = AuditEntry.objects.count()
                        self.ask(row, method, role)
                        if AuditEntry.objects.count() == before:
                            self.wrong.append(f"{method} {row.name} as {role}: it is no deed")
        self.assertEqual(self.wrong, [])

    def test_without_policies_nobody_gets_more(self) -> None:
        with override_settings(DURABLE={"WEBHOOKS": SETTINGS["WEBHOOKS"]}):
            for row in self.table:
                for role in ROLES[:-1]:
                    for method in row.statuses:
                        if self.expected(row, method, role) in REFUSED:
                            self.ask(row, method, role)
        self.assertEqual(self.wrong, [])
        self.assertTrue(stored() == self.before)

    def test_no_list_finds_anything_of_another_tenant(self) -> None:
        queries = (f"q={self.named['waiting']}", "q=key-1", "q=umbrella", "family=all", "all=1")
        pages = [
            row.url
            for row in self.table
            if row.url.startswith("/admin/") and self.expected(row, "GET", "stranger") == "200"
        ]
        self.assertGreaterEqual(len(pages), 10)
        with override_settings(DURABLE=SETTINGS):
            for page in pages:
                for query in queries:
                    with self.subTest(page=page, query=query):
                        answer = self.clients["stranger"].get(f"{page}?{query}", follow=True)
                        # 400: a filter that is another list's
                        self.assertIn(answer.status_code, (200, 400))
                        self.assertEqual(self.told(answer, query), [])

    def test_every_url_is_in_the_table(self) -> None:
        tried = {resolve(row.url.partition("?")[0]).route for row in self.table}
        self.assertEqual(tried, every_url.routes())

    def test_whoever_only_looks_changes_nothing(self) -> None:
        for row in self.table:
            for role in ("anonymous", "nobody", "viewer"):
                changing = [self.expected(row, method, role) for method in row.methods]
                if not row.url.startswith("/durable/answer/"):
                    self.assertFalse("!" in "".join(changing), (row.name, role))
