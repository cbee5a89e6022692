"""What pages name exists: targets of make, commands and their options, functions, other pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.core.management import get_commands, load_command_class
from django.test import TestCase

import durable
from tests.pages.reader import FENCE, HEADING
from tests.pages.test_pages import PAGES, named
from tests.typing.readme import README, ROOT

EVERY_PAGE = {named(page): page.read_text(encoding="utf-8") for page in [README, *PAGES]}

LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)]*))?\)")
MAKE = re.compile(r"(?:^|`)make ([a-z][a-z0-9-]*)", re.MULTILINE)
COMMAND = re.compile(r"\bmanage\.py ([a-z_]+)|`(durable_[a-z_]+)")
OPTION = re.compile(r"--[a-z][a-z-]+")
CALL = re.compile(r"\bdurable\.([a-z_]+)\(")

#: of apps that the suite does without; scopes of throttling
NO_COMMANDS = ("crontab", "spectacular", "durable_webhook", "durable_write")


def code(text: str) -> Iterator[str]:
    """What a page shows as code: the lines of its samples, and what stands between backticks."""
    for found in FENCE.finditer(text):
        yield from found[2].replace("\\\n", " ").splitlines()
    yield from re.findall(r"`[^`]+`", FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = (found[2] for found in HEADING.finditer(FENCE.sub("", text)))
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


class NamesTests(TestCase):
    """Of each page and of the README."""

    def _each(self, pattern: re.Pattern[str]) -> dict[str, str]:
        """What a pattern finds in code, with a place where it stands."""
        return {
            next(filter(None, found.groups())): f"{page}: {line}"
            for page, text in EVERY_PAGE.items()
            for line in code(text)
            for found in pattern.finditer(line)
        }

    def test_every_make_target_exists(self) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        targets = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()
        used = self._each(MAKE)
        self.assertLessEqual({"demo", "test"}, set(used))
        for target, where in used.items():
            self.assertIn(target, targets, where)

    def test_every_command_and_each_of_its_options_exists(self) -> None:
        known = get_commands()
        used = self._each(COMMAND)
        self.assertLessEqual({"durable_worker", "durable_tick", "migrate"}, set(used))
        for command, where in used.items():
            if command in NO_COMMANDS:
                continue
            self.assertIn(command, known, where)
        for page, text in EVERY_PAGE.items():
            for line in code(text):
                found = re.search(r"\b(durable_[a-z_]+)(?!.*<<)", line)
                if found is None or known.get(found[1]) != "durable":
                    continue
                options = load_command_class("durable", found[1]).create_parser("", found[1])
                for option in OPTION.findall(line):
                    self.assertIn(option, options._option_string_actions, f"{page}: {line}")

    def test_every_function_of_the_client_exists(self) -> None:
        used = self._each(CALL)
        self.assertLess(10, len(used))
        for name, where in used.items():
            self.assertIn(name, durable.__all__, where)

    def test_every_room_and_every_table_of_the_engine_exists(self) -> None:
        text = EVERY_PAGE["docs/explanation/how-the-engine-works.md"]
        rooms = re.findall(r"`([a-z_]+/(?:[a-z_]+(?:/|\.py))*)`", text)
        self.assertLess(15, len(rooms))
        for room in rooms:
            self.assertTrue((ROOT / "durable" / room).exists(), room)
        tables = text.partition("## Tables")[2]
        for row in re.findall(r"^\| (`.*?) \|", tables, re.MULTILINE):
            for model in re.findall(r"`(\w+)`", row):
                if model != "durable":
                    apps.get_model("durable", model)

    def test_every_page_of_the_admin_and_every_permission_has_the_name_that_it_has_there(
        self,
    ) -> None:
        text = EVERY_PAGE["docs/how-to/use-the-admin.md"]
        self.client.force_login(User.objects.create_superuser("kim"))
        index = self.client.get("/admin/durable/").content.decode()
        listed = re.findall(r"^\| ([A-Z]\w+) \| (?!What)", text, re.MULTILINE)
        self.assertEqual(len(listed), 8)
        for name in listed:
            self.assertRegex(index, rf">\s*{name}\s*<")
        known = Permission.objects.filter(content_type__app_label="durable")
        names = "\n".join(known.values_list("name", flat=True))
        for asked in re.findall(r"\*(Can [^*]+)\*", text):
            self.assertIn(" ".join(asked.split()), names)

    def test_the_index_names_every_page(self) -> None:
        listed = {target for target, _ in LINK.findall(EVERY_PAGE["docs/index.md"])}
        for page in PAGES:
            target = page.relative_to(ROOT / "docs").as_posix()
            self.assertTrue(target == "index.md" or target in listed, target)

    def test_every_link_leads_somewhere(self) -> None:
        for page in [README, *PAGES]:
            for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
                if "://" in target:
                    continue
                file = page.parent / target if target else page
                self.assertTrue(file.exists(), f"{named(page)}: {target}")
                if anchor:
                    found = anchors(file.read_text(encoding="utf-8"))
                    self.assertIn(anchor, found, f"{named(page)}: {target}")
