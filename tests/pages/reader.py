"""A reader who does what a page says, and nothing else.

A page says in its first lines where to begin: in an empty directory, or with what another page (a
section of it) leaves. Then, block by block:

- ``python`` that names a file goes to the end of that file; other Python is typed into
  ``manage.py shell``, if the first lines say so;
- ``sh`` is typed, line by line, and has to succeed; ``text`` is what was said last, with ``…`` for
  what differs from one time to the next;
- ``ini`` is for a process manager: its ``ExecStart`` is run.

Nothing may be left lying about: all tests have to be run, every other file has to be there before
the last command, and each workflow has to be put to use.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests.pages.shell import Shell, shell
from tests.typing.readme import FENCE

#: what the machine has already, or what no test may touch
OUTSIDE = re.compile(r"python3 -m venv|\. |pip |systemctl |python manage\.py crontab ")

BEGIN = re.compile(
    r"\bbegin (?:in an empty directory|with what \[[^\]]+\]\(([^)#]+)(?:#([^)]+))?\)[^.]* leaves)"
)
FILE = re.compile(r"# (\S+/\S+\.py)\n")
HEADING = re.compile(r"^(#+) (.*)$", re.MULTILINE)
WORKFLOW = re.compile(r"^class (\w+)\(.*Workflow\):", re.MULTILINE)
RAN = re.compile(r"^Ran (\d+) tests?", re.MULTILINE)


class Reader:
    """Follows pages in one shell."""

    def __init__(self, sh: Shell) -> None:
        self.sh = sh
        self.typed: list[str] = []
        self.waiting: set[str] = set()  # files that no command has seen
        self.workflows: set[str] = set()
        self.use: list[str] = []  # where workflows may be put to use

    def read(self, text: str) -> None:
        """Follow a page from its beginning to its end."""
        head = text.partition("```")[0]
        for found in FENCE.finditer(text):
            self._block(found[1], found[2], head)
        self._enter()
        if self.waiting:
            raise AssertionError(f"nothing on the page uses {sorted(self.waiting)}")
        used = "\n".join(self.use)
        idle = {name for name in self.workflows if not _named(name, used)}
        if idle:
            raise AssertionError(f"nothing on the page runs {sorted(idle)}")

    def _block(self, language: str, text: str, head: str) -> None:
        named = FILE.match(text)
        if language == "python" and named is None:
            if "manage.py shell" not in head:
                raise AssertionError(f"the page does not say where this goes:\n{text}")
            self.typed.append(text)
            return
        self._enter()
        match language:
            case "python" if named is not None:
                self._put(named[1], text, head)
            case "sh":
                self._type(text)
            case "ini":
                self._type(re.sub(r"^\S+/", "", _setting(text, "ExecStart")))
            case "text":
                self._compare(text)
            case _:
                raise AssertionError(f"a reader can't know what to do with {language!r}:\n{text}")

    def _put(self, name: str, text: str, head: str) -> None:
        if not re.search(r"end\s+of\s+th(e|at)\s+file", head):
            raise AssertionError("the page does not say where in the file its code goes")
        file = self.sh.directory / name
        if not file.parent.is_dir():
            raise AssertionError(f"{name}: there is no such directory")
        with file.open("a", encoding="utf-8") as opened:
            opened.write(f"\n{text}")
        self.waiting.add(name)
        if name.endswith("workflows.py"):
            self.workflows.update(WORKFLOW.findall(text))
        else:
            self.use.append(text)

    def _type(self, text: str) -> None:
        lines = [line for line in text.splitlines() if not OUTSIDE.match(line)]
        self.sh.type("\n".join(lines))
        self.use.append(text)
        if any("manage.py" in line for line in lines):
            self.waiting = {name for name in self.waiting if name.endswith("tests.py")}
        if any("manage.py test" in line for line in lines):
            self._tested()

    def _tested(self) -> None:
        files = self.sh.directory.glob("*/tests.py")
        sources = [file.read_text(encoding="utf-8") for file in files]
        written = sum(len(re.findall(r"^ +(?:async )?def test_", one, re.M)) for one in sources)
        if [str(written)] != RAN.findall(self.sh.said):
            raise AssertionError(f"{written} tests are written:\n{self.sh.said}")
        self.waiting.clear()

    def _enter(self) -> None:
        """Type what has gathered for ``manage.py shell``, in one session."""
        if self.typed:
            text, self.typed = "\n".join(self.typed), []
            self._type(f"python manage.py shell --verbosity 0 <<'END'\n{text}\nEND")

    def _compare(self, text: str) -> None:
        said = "\n".join(map(_squeezed, self.sh.said.splitlines()))
        lines = (re.escape(_squeezed(line)).replace("…", ".*") for line in text.splitlines())
        if not re.search("^" + "\n".join(lines) + "$", said, re.MULTILINE):
            raise AssertionError(f"the page shows:\n{text}\nbut this was said:\n{self.sh.said}")


def _squeezed(line: str) -> str:
    return " ".join(line.split())


def _setting(text: str, name: str) -> str:
    found = re.search(rf"^{name}=(.*)$", text, re.MULTILINE)
    assert found is not None, text
    return found[1]


def _named(workflow: str, text: str) -> bool:
    """Whether a text names a workflow, by its class or as commands do."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", workflow).lower()
    return re.search(rf"\b({workflow}|{snake})\b", text) is not None


def section(text: str, anchor: str) -> str:
    """A page up to the end of the section with this anchor."""
    depth = 0
    prose = FENCE.sub(lambda found: " " * len(found[0]), text)  # a comment is no heading
    for found in HEADING.finditer(prose):
        if depth and len(found[1]) <= depth:
            return text[: found.start()]
        if found[2].lower().replace(" ", "-") == anchor:
            depth = len(found[1])
    assert depth, f"there is no section #{anchor}"
    return text


def follow(page: Path, sh: Shell) -> None:
    """Follow a page from where it begins; a page without samples has nothing to follow."""
    text = page.read_text(encoding="utf-8")
    if FENCE.search(text):
        _begin(page, text, sh)
        Reader(sh).read(text)


def _begin(page: Path, text: str, sh: Shell) -> None:
    begin = BEGIN.search(re.sub(r"\s+", " ", text.partition("```")[0]).replace("Begin", "begin"))
    if begin is None:
        raise AssertionError("the page does not say in its first lines where its reader begins")
    if begin[1]:
        left = _left_by((page.parent / begin[1]).resolve(), begin[2])
        shutil.copytree(left.name, sh.directory, dirs_exist_ok=True)


@cache
def _left_by(page: Path, anchor: str | None) -> tempfile.TemporaryDirectory[str]:
    """The directory as a page, or one up to the end of a section, leaves it."""
    text = page.read_text(encoding="utf-8")
    kept = tempfile.TemporaryDirectory()
    with shell() as sh:
        _begin(page, text, sh)
        Reader(sh).read(section(text, anchor) if anchor else text)
        shutil.copytree(sh.directory, kept.name, dirs_exist_ok=True)
    return kept
