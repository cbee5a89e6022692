"""``import *`` of a public module brings its public names, and nothing that it uses itself."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from inspect import isclass, isfunction
from pathlib import Path
from typing import Any

from django.test import SimpleTestCase, TestCase

import durable
from durable import client
from durable.errors import ControlFlow
from tests.typing.readme import ROOT

PUBLIC = (
    "durable",
    "durable.admin",
    "durable.apps",
    "durable.client",
    "durable.conf",
    "durable.crontab",
    "durable.doors.access",
    "durable.errors",
    "durable.helpers",
    "durable.management.doctor",
    "durable.management.stranded",
    "durable.models",
    "durable.signals",
    "durable.testing",
    "durable.urls",
)

#: whatever these define without an underscore is meant for users
ALL_OF_IT = ("durable.errors", "durable.helpers", "durable.signals", "durable.testing")

IMPORTED = re.compile(r"^\s*(?:from|import) (durable\.[a-z_.]+)", re.MULTILINE)
HANDED_OVER = re.compile(r"from (durable\.[a-z_.]+) import (\w+)")


def starred(module: str) -> dict[str, Any]:
    """What a star import puts into a fresh namespace."""
    namespace: dict[str, Any] = {}
    exec(f"from {module} import *", namespace)
    namespace.pop("__builtins__")
    return namespace


class PublicNamesTests(SimpleTestCase):
    def test_a_star_import_brings_the_declared_names_alone(self) -> None:
        for module in PUBLIC:
            with self.subTest(module):
                declared = import_module(module).__all__
                self.assertEqual(sorted(starred(module)), sorted(set(declared)))
                self.assertEqual(len(declared), len(set(declared)))

    def test_none_of_them_is_another_project_s(self) -> None:
        for module in PUBLIC:
            for name, value in starred(module).items():
                origin = getattr(value, "__module__", None) or "durable"
                if isclass(value) or isfunction(value):
                    self.assertEqual(origin.partition(".")[0], "durable", f"{module}.{name}")

    def test_a_test_case_stays_django_s(self) -> None:
        namespace: dict[str, Any] = {}
        exec("from django.test import TestCase\nfrom durable.testing import *", namespace)
        self.assertIs(namespace["TestCase"], TestCase)

    def test_the_client_s_names_are_those_of_the_package_that_are_loaded_late(self) -> None:
        bound = ast.parse(Path(durable.__file__).read_text(encoding="utf-8"))
        eager = {
            alias.name
            for node in bound.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        self.assertEqual(client.__all__, [name for name in durable.__all__ if name not in eager])

    def test_what_is_made_for_users_is_declared(self) -> None:
        for module in ALL_OF_IT:
            loaded = import_module(module)
            made = {
                name
                for name, value in vars(loaded).items()
                if (isclass(value) or isfunction(value))
                and value.__module__.startswith(module)
                and not name.startswith("_")
                and not (isclass(value) and issubclass(value, ControlFlow))
            }
            self.assertLessEqual(made, set(loaded.__all__), module)

    def test_what_the_documentation_imports_is_public(self) -> None:
        pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        sources = [*pages, *(ROOT / "example_project").rglob("*.py")]
        for source in sources:
            text = source.read_text(encoding="utf-8")
            for module in IMPORTED.findall(text):
                packages = ("durable.management",)  # of which a module is imported
                self.assertIn(module, (*PUBLIC, *packages), source.name)
            for module, name in HANDED_OVER.findall(text):
                if module in PUBLIC:
                    self.assertIn(name, import_module(module).__all__, source.name)
