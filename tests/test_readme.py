"""What the README shows is run: each of its Python samples, in order, must work.

They are written for the app of the example; its models and services stand in for the reader's.
"""

from __future__ import annotations

import sys
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from unittest import mock

import pytest
from django.test import TestCase

from durable.authoring.parse import registry
from durable.testing import isolate_workflows
from tests.typing.readme import APP, CODE, README, blocks, code

#: the module that the samples are put together in
MODULE = f"{APP}.workflows"


@contextmanager
def app() -> Iterator[ModuleType]:
    """The module in which the samples are run, in an app called ``shop``."""
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
def test_the_samples_work() -> None:
    with app() as module:
        assert execute(README, module) > 8


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


def test_mypy_reads_the_readme_as_it_is() -> None:
    assert CODE.read_text(encoding="utf-8") == code(), "run: python -m tests.typing.readme"
