"""What the documentation shows is run: each Python sample of each page, in order, must work."""

from __future__ import annotations

import re
import sys
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from unittest import mock

import pytest
from django.core.checks import run_checks
from django.core.management import get_commands
from django.test import SimpleTestCase, TestCase, override_settings

import durable
from durable import client, conf
from durable.authoring import registry
from durable.authoring.reserved import RESERVED
from durable.states import Status
from durable.testing import isolate_workflows
from tests.typing.readme import APP, CODE, FENCE, README, ROOT, blocks, code

PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "decisions" not in page.parts]

#: it is followed in an empty directory, by a test of its own
TUTORIAL = ROOT / "docs" / "tutorial.md"

#: the module that a page's samples are put together in
MODULE = f"{APP}.workflows"

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")
COMMAND = re.compile(r"manage\.py ([a-z_]+)")


def named(page: Path) -> str:
    """A page as it is called in messages."""
    return page.relative_to(ROOT).as_posix()


@contextmanager
def app() -> Iterator[ModuleType]:
    """The module in which a page's samples are run, in an app called ``shop``."""
    import example_project.shop
    from example_project.shop import models, services

    module = ModuleType(MODULE)
    modules = {
        APP: example_project.shop,
        f"{APP}.models": models,
        f"{APP}.services": services,
        MODULE: module,
    }
    with mock.patch.dict(sys.modules, modules), isolate_workflows():
        registry._classes.clear()  # the samples have names that the example's workflows have too
        yield module


def execute(page: Path, module: ModuleType) -> int:
    """Run the samples of a page, and the tests among them; how many there were."""
    found = blocks(page, "python")
    for block in found:
        before = set(vars(module))
        source = "\n" * block.line + block.text
        exec(compile(source, str(page), "exec", dont_inherit=True), vars(module))
        run_tests(module, set(vars(module)) - before)
    return len(found)


def run_tests(module: ModuleType, names: set[str]) -> None:
    """Run the tests that a sample has defined."""
    for name in sorted(names):
        value = getattr(module, name)
        if isinstance(value, FunctionType) and name.startswith("test_"):
            value()
        if isinstance(value, type) and issubclass(value, unittest.TestCase):
            if value.__module__ != module.__name__:
                continue
            result = unittest.TestResult()
            for method in unittest.defaultTestLoader.getTestCaseNames(value):
                value(method)(result)  # one by one: the end of a class would close the database
            broken = [*result.errors, *result.failures]
            if broken or not result.testsRun:
                raise AssertionError(broken[0][1] if broken else f"{name} has no test")


@pytest.mark.django_db
@pytest.mark.parametrize("page", [page for page in PAGES if page != TUTORIAL], ids=named)
def test_the_samples_of_the_page_work(page: Path) -> None:
    with app() as module:
        count = execute(page, module)
    assert count > 8 or page != README


def test_there_are_pages_of_each_kind() -> None:
    kinds = {page.relative_to(ROOT / "docs").parts[0] for page in PAGES if page != README}
    assert kinds == {"index.md", "tutorial.md", "how-to", "reference", "explanation"}


class NoticeTests(TestCase):
    """What these tests would be worth nothing without."""

    def _execute(self, text: str) -> None:
        page = mock.Mock(spec=Path)
        page.read_text.return_value = f"# A page\n\n```python\n{text}\n```\n"
        with app() as module:
            execute(page, module)

    def test_a_wrong_sample_is_noticed(self) -> None:
        with self.assertRaises(AssertionError):
            self._execute("assert 1 == 2")

    def test_a_failing_test_in_a_sample_is_noticed(self) -> None:
        with self.assertRaises(AssertionError):
            self._execute(
                "import unittest\n\n\nclass T(unittest.TestCase):\n"
                "    def test_it(self):\n        self.fail()"
            )


class ReferenceTests(SimpleTestCase):
    """The reference pages name what there is: all of it, and nothing else."""

    def _named_in(self, page: str, pattern: str) -> list[str]:
        text = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
        return re.findall(pattern, text, re.MULTILINE)

    def test_every_setting_is_described_once(self) -> None:
        self.assertCountEqual(self._named_in("settings.md", r"^\| `(\w+)` \|"), conf.DEFAULTS)

    def test_every_public_error_is_described_once(self) -> None:
        public = [
            name
            for name in durable.__all__
            if isinstance(value := getattr(durable, name), type)
            and issubclass(value, durable.DurableError)
            and value is not durable.DurableError
        ]
        self.assertCountEqual(self._named_in("errors.md", r"^\| `(\w+)` \|"), public)

    def test_every_status_is_described_once(self) -> None:
        self.assertCountEqual(self._named_in("statuses.md", r"^\| `(\w+)` \|"), Status.values)

    def test_every_reserved_name_is_listed_once(self) -> None:
        text = (ROOT / "docs" / "reference" / "reserved-names.md").read_text(encoding="utf-8")
        listed = re.findall(r"`(\w+)`[,.]", text)
        self.assertCountEqual(listed, RESERVED)

    def test_every_call_of_the_client_is_described(self) -> None:
        text = (ROOT / "docs" / "reference" / "client.md").read_text(encoding="utf-8")
        calls = {name for name in client.__all__ if f"a{name}" in client.__all__}
        missing = {name for name in calls if f"`{name}(" not in text}
        self.assertEqual(missing, set())


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_settings_sample_passes_the_system_checks(page: Path) -> None:
    for block in blocks(page, "python"):
        if not re.search(r"^DURABLE = ", block.text, re.MULTILINE):
            continue
        names: dict[str, object] = {}
        exec(block.text, names)
        with override_settings(DURABLE=names["DURABLE"]):
            assert run_checks(tags=["durable"]) == []


class ShellTests(SimpleTestCase):
    """What is typed in a shell exists: targets of make, commands of manage.py, pages linked to."""

    def test_every_make_target_exists(self) -> None:
        targets = set(re.findall(r"^\.PHONY: (.*)$", self._makefile(), re.MULTILINE)[0].split())
        used = {
            (named(page), target)
            for page in PAGES
            for block in blocks(page, "sh")
            for target in MAKE.findall(block.text)
        }
        self.assertEqual({use for use in used if use[1] not in targets}, set())
        self.assertLessEqual({"demo", "test"}, {target for _, target in used})

    def test_every_management_command_exists(self) -> None:
        known = get_commands()
        used = {
            (named(page), command)
            for page in PAGES
            for command in COMMAND.findall(page.read_text(encoding="utf-8"))
        }
        self.assertEqual({use for use in used if use[1] not in known}, set())
        self.assertIn("durable_worker", {command for _, command in used})

    def test_every_option_of_the_worker_exists(self) -> None:
        from durable.management.commands.durable_worker import Command

        known = Command().create_parser("manage.py", "durable_worker").format_help()
        for page in PAGES:
            text = page.read_text(encoding="utf-8")
            for line in (line for line in text.splitlines() if "durable_worker" in line):
                for option in re.findall(r"--[a-z-]+", line):
                    self.assertIn(option, known, f"{named(page)}: {line}")

    def test_every_link_leads_somewhere(self) -> None:
        for page in PAGES:
            for target in LINK.findall(page.read_text(encoding="utf-8")):
                if "://" not in target:
                    self.assertTrue((page.parent / target).exists(), f"{named(page)}: {target}")

    def test_only_samples_that_are_run_or_typed_in_a_shell(self) -> None:
        for page in PAGES:
            for found in FENCE.finditer(page.read_text(encoding="utf-8")):
                self.assertIn(found[1], {"python", "sh", "text", "ini"}, named(page))

    @staticmethod
    def _makefile() -> str:
        return (ROOT / "Makefile").read_text(encoding="utf-8")


def test_mypy_reads_the_readme_as_it_is() -> None:
    assert CODE.read_text(encoding="utf-8") == code(), "run: python -m tests.typing.readme"
