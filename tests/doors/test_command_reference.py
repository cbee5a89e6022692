"""The reference of the commands is what their parsers say: each command, each option."""

from __future__ import annotations

import re

from django.test import SimpleTestCase

from tests.doors import reference


class ReferenceTests(SimpleTestCase):
    """docs/reference/commands.md."""

    def setUp(self) -> None:
        self.page = reference.PAGE.read_text(encoding="utf-8")

    def test_each_command_has_a_section(self) -> None:
        sections = re.findall(r"^## (\w+)$", self.page, re.MULTILINE)
        self.assertEqual(sections, reference.names())

    def test_each_option_is_listed_in_its_section(self) -> None:
        _, *parts = re.split(r"^## (\w+)$", self.page, flags=re.MULTILINE)
        sections = dict(zip(parts[::2], parts[1::2], strict=True))
        for name in reference.names():
            for action in reference.actions(name):
                for option in action.option_strings:
                    self.assertRegex(sections[name], rf"`[^`]*{re.escape(option)}\b", name)

    def test_the_page_is_as_it_was_written(self) -> None:
        self.assertEqual(
            self.page,
            reference.text(),
            "run: DJANGO_SETTINGS_MODULE=tests.settings python -m tests.doors.reference",
        )
