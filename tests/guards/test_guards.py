"""The list of guards fits the source: each can be taken out, and each defect has one."""

from __future__ import annotations

import ast
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import TestCase

from tests.guards.check_guards import ROOT
from tests.guards.mutation import Edit, Misfit, changed
from tests.guards.mutations import MUTATIONS

#: The rows of the list of defects, and 0: what is on no row.
ROWS = {*range(29)}


class GuardTests(TestCase):
    """``python -m tests.guards.check_guards`` takes each guard out and sees its tests fail."""

    def test_every_guard_is_found_in_the_source_exactly_once(self) -> None:
        for mutation in MUTATIONS:
            for edit in mutation.edits:
                with self.subTest(guard=mutation.guard):
                    changed(ROOT, edit)
                    self.assertNotEqual(edit.old, edit.new)

    def test_the_source_is_python_without_its_guard(self) -> None:
        for mutation in MUTATIONS:
            for edit in mutation.edits:
                with self.subTest(guard=mutation.guard):
                    path, text = changed(ROOT, edit)
                    ast.parse(text, str(path))

    def test_a_guard_is_found_wherever_its_module_lies(self) -> None:
        source = (
            "def one():\n    a = 1\n\n\nclass Two:\n    @wraps\n    def one(self):\n        a = 1\n"
        )
        with TemporaryDirectory() as directory:
            root = Path(directory)
            (root / "durable" / "some" / "room").mkdir(parents=True)
            (root / "durable" / "some" / "room" / "file.py").write_text(source)
            for place in ("file:one", "file:Two.one"):
                with self.subTest(place=place):
                    _, text = changed(root, Edit(place, "    a = 1\n", "    a = 2\n"))
                    self.assertEqual((text.count("a = 1"), text.count("a = 2")), (1, 1))
            for place, old in (
                ("file:three", "a"),  # no such function
                ("other:one", "a"),  # no such module
                ("file:one", "b = 1"),  # not in it
                ("file:Two", "self):\n        b"),
            ):
                with self.subTest(place=place, old=old), self.assertRaises(Misfit):
                    changed(root, Edit(place, old, ""))

    def test_every_defect_has_a_guard_and_every_guard_a_test_that_exists(self) -> None:
        self.assertEqual({mutation.defect for mutation in MUTATIONS}, ROWS)
        for mutation in MUTATIONS:
            self.assertTrue(mutation.tests, mutation.guard)
            for test in mutation.tests:
                file, cls, name = test.split("::")
                with self.subTest(test=test):
                    source = (ROOT / file).read_text()
                    self.assertIn(f"class {cls}(", source)
                    self.assertIn(f"def {name}(", source)
