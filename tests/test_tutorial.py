"""The tutorial, followed to the letter in an empty directory, with nothing but what it says."""

from __future__ import annotations

import re
from unittest import TestCase

import pytest

from tests.test_quickstart import Shell, shell
from tests.typing.readme import FENCE, ROOT

PAGE = ROOT / "docs" / "tutorial.md"
FILE = re.compile(r"# (\S+\.py)\n")


def follow(sh: Shell, language: str, text: str) -> None:
    """Do what a reader does with a sample: type it, or put it at the end of the file it names."""
    if language == "sh":
        # the test's own environment has the package already
        lines = [
            line for line in text.splitlines() if not re.match(r"python3 -m venv|\.|pip", line)
        ]
        sh.type("\n".join(lines))
        return
    named = FILE.match(text)
    if named is None:
        sh.type(f"python manage.py shell --verbosity 0 <<'END'\n{text}\nEND")
        return
    with (sh.directory / named[1]).open("a", encoding="utf-8") as file:
        file.write(f"\n{text}")


@pytest.mark.only_on("sqlite")  # the project that is made has a database of its own
class TutorialTests(TestCase):
    """From nothing to a flow of thirty-seven days that is tested and runs."""

    def test_it_can_be_followed(self) -> None:
        said = []
        with shell() as sh:
            for sample in FENCE.finditer(PAGE.read_text(encoding="utf-8")):
                follow(sh, sample[1], sample[2])
                said.append(sh.said)
        self.assertIn("Ran 1 test", "".join(said))
        self.assertIn("Ran 3 tests", "".join(said))
        self.assertRegex(said[-1], r"waiting +1")
