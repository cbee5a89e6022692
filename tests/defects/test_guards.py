"""The list of guards fits the source: each can be taken out, and each defect has one."""

from __future__ import annotations

import ast
from unittest import TestCase

from tests.defects.check_guards import ROOT
from tests.defects.mutations import MUTATIONS

#: The rows of the list of defects, and 0: what is on no row.
ROWS = {*range(29)}


class GuardTests(TestCase):
    """``python -m tests.defects.check_guards`` takes each guard out and sees its tests fail."""

    def test_every_guard_is_found_in_the_source_exactly_once(self) -> None:
        for mutation in MUTATIONS:
            for file, old, new in mutation.edits:
                with self.subTest(guard=mutation.guard):
                    self.assertEqual((ROOT / file).read_text().count(old), 1, old)
                    self.assertNotEqual(old, new)

    def test_the_source_is_python_without_its_guard(self) -> None:
        for mutation in MUTATIONS:
            texts: dict[str, str] = {}
            for file, old, new in mutation.edits:
                texts[file] = texts.get(file, (ROOT / file).read_text()).replace(old, new)
            for file, text in texts.items():
                with self.subTest(guard=mutation.guard):
                    ast.parse(text, file)

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
