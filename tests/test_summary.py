"""The closing line of `make test` and `.ci/run` says what pytest's files say, and never more."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from unittest import TestCase

from tests import summary

PASSED = "<testcase name='a'/>"
FAILED = "<testcase name='b'><failure>1</failure><failure>2</failure></testcase>"
BROKEN = "<testcase name='c'><error/></testcase>"
SKIPPED = "<testcase name='d'><skipped/></testcase>"


class SummaryTests(TestCase):
    """Sums over runs; a run without results is a failure."""

    def setUp(self) -> None:
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def file(self, name: str, *cases: str) -> str:
        path = self.directory / f"{name}.xml"
        path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
        return str(path)

    def closing(self, *paths: str) -> tuple[int, str]:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            status = summary.main(paths)
        return status, out.getvalue().splitlines()[-1]

    def test_runs_are_added_up(self) -> None:
        paths = self.file("one", PASSED, PASSED), self.file("two", PASSED)
        self.assertEqual(self.closing(*paths), (0, "3 passed, 0 failed"))

    def test_failures_and_errors_fail_and_each_test_counts_once(self) -> None:
        path = self.file("one", PASSED, FAILED, BROKEN)
        self.assertEqual(self.closing(path), (1, "1 passed, 2 failed"))

    def test_skipped_tests_show(self) -> None:
        path = self.file("one", PASSED, SKIPPED)
        self.assertEqual(self.closing(path), (0, "1 passed, 0 failed, 1 skipped"))

    def test_a_run_without_results_is_a_failure(self) -> None:
        broken = self.directory / "broken.xml"
        broken.write_text("<testsuites>")
        for missing in (str(self.directory / "missing.xml"), str(broken)):
            paths = self.file("one", PASSED), missing
            self.assertEqual(self.closing(*paths), (1, "1 passed, 1 failed"))

    def test_a_run_of_nothing_is_a_failure(self) -> None:
        self.assertEqual(self.closing(self.file("one")), (1, "0 passed, 0 failed"))
