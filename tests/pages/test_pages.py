"""Every page of the documentation can be followed from an empty directory, to the letter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import TestCase

import pytest

from tests.pages.reader import Reader, follow, section
from tests.pages.shell import Shell, a_free_port, shell
from tests.typing.readme import ROOT

WRITTEN_ELSEWHERE = {"decisions", "benchmarks"}  # for who changes the code; by ``make bench``
PAGES = [page for page in (ROOT / "docs").rglob("*.md") if not WRITTEN_ELSEWHERE & {*page.parts}]
PAGES.sort()


def named(page: Path) -> str:
    """A page as it is called in messages."""
    return page.relative_to(ROOT).as_posix()


@pytest.mark.only_on("sqlite")  # the projects that are made have databases of their own
@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_page_can_be_followed(page: Path) -> None:
    with shell() as sh:
        follow(page, sh)


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    decisions = {page.name for page in (ROOT / "docs" / "decisions").glob("*.md")}
    assert {name for name in decisions if f"(decisions/{name})" not in index} == set()


def test_there_are_pages_of_each_kind() -> None:
    kinds = {page.relative_to(ROOT / "docs").parts[0] for page in PAGES}
    assert kinds == {
        "index.md",
        "tutorial.md",
        "how-to",
        "reference",
        "explanation",
        "performance.md",
    }


HEAD = """
Begin in an empty directory. Code goes to the end of the file that it names; other Python is typed
into `python manage.py shell`.
"""


class _Silent(Shell):
    """A shell in which nothing is run: it says what the test tells it."""

    def type(self, script: str) -> None: ...


class NoticeTests(TestCase):
    """A page that can't be followed is noticed."""

    def setUp(self) -> None:
        directory = Path(self.enterContext(TemporaryDirectory()))
        (directory / "shop").mkdir()
        self.sh = _Silent(directory, a_free_port())

    def _read(self, *samples: tuple[str, str], head: str = HEAD) -> None:
        blocks = (f"\n```{language}\n{text}\n```\n" for language, text in samples)
        Reader(self.sh).read(head + "".join(blocks))

    def _refused(self, why: str, do: Callable[[], None]) -> None:
        with self.assertRaisesRegex(AssertionError, why):
            do()

    def test_a_sample_of_which_the_reader_is_not_told_where_it_goes(self) -> None:
        lines = ("python", "print(1)")
        self._refused("does not say where", lambda: self._read(lines, head="Begin anywhere."))
        self._refused("no such directory", lambda: self._read(("python", "# sop/models.py\n")))
        self._refused("can't know", lambda: self._read(("", "INSTALLED_APPS = []")))

    def test_a_file_that_nothing_uses(self) -> None:
        file = ("python", "# shop/models.py\nimport this")
        self._refused("nothing on the page uses", lambda: self._read(file))
        self._read(file, ("sh", "python manage.py check"))

    def test_a_workflow_that_nothing_runs(self) -> None:
        file = ("python", "# shop/workflows.py\nclass BuyMore(Workflow):\n    pass")
        self._refused("runs .'BuyMore'", lambda: self._read(file, ("sh", "python manage.py check")))
        self._read(file, ("sh", "python manage.py durable_run buy_more"))

    def test_tests_that_nobody_runs(self) -> None:
        file = ("python", "# shop/tests.py\nclass T:\n    def test_it(self): ...")
        self._refused("uses", lambda: self._read(file, ("sh", "python manage.py check")))
        self.sh.said = "Ran 0 tests in 0.1s"
        self._refused("1 tests are written", lambda: self._read(("sh", "python manage.py test")))

    def test_an_output_that_is_another(self) -> None:
        self.sh.said = "waiting   1\nid 0192f3a1 created\n"
        self._read(("sh", "true"), ("text", "waiting 1\nid … created"))
        self._refused("page shows", lambda: self._read(("sh", "true"), ("text", "waiting 2")))

    def test_a_command_that_fails(self) -> None:
        with shell() as sh:
            self._refused("ended with 1", lambda: sh.type("false"))
            self._refused("ended with 2", lambda: sh.type("python manage.py durable_worker"))

    def test_a_page_that_says_nothing_of_its_beginning(self) -> None:
        page = self.sh.directory / "page.md"
        page.write_text("# Page\n\n```sh\ntrue\n```\n", encoding="utf-8")
        self._refused("where its reader begins", lambda: follow(page, self.sh))
        page.write_text("# Page\n\nBegin in an empty\ndirectory.\n\n```sh\ntrue\n```\n", "utf-8")
        follow(page, self.sh)

    def test_a_section_ends_before_the_next(self) -> None:
        wanted = "# A\n## B c\n```sh\n# no heading\n```\n### E\n"
        self.assertEqual(section(f"{wanted}## F\n", "b-c"), wanted)
        self._refused("no section", lambda: section("# A\n", "b"))
