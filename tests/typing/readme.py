"""The samples of a page; and the README's workflows as one module that ``mypy --strict`` reads.

``python -m tests.typing.readme`` writes that module, ``readme_code.py``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
README = ROOT / "README.md"
CODE = Path(__file__).with_name("readme_code.py")

#: the app that the samples are written for; the example's stands in for it
APP, STANDS_IN = "shop", "example_project.shop"

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced sample: its language, its text, and the line it starts at."""

    language: str
    text: str
    line: int


def blocks(page: Path, *languages: str) -> list[Block]:
    """The samples of a page in these languages."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start(2)))
        for found in FENCE.finditer(text)
        if found[1] in languages
    ]


def code() -> str:
    """The README's samples of ``shop/workflows.py``, put together."""
    samples = [b.text for b in blocks(README, "python") if b.text.startswith(f"# {APP}/")]
    imports: list[str] = []
    rest: list[str] = []
    for line in "\n".join(samples).splitlines():
        is_import = line.startswith(("from ", "import "))
        (imports if is_import else rest).append(line.replace(f"from {APP}", f"from {STANDS_IN}"))
    lines = "\n".join(dict.fromkeys(imports))
    body = re.sub(r"\n{3,}", "\n\n\n", "\n".join(rest)).strip()
    head = '"""The README\'s workflows, as ``python -m tests.typing.readme`` has found them."""'
    return f"# ruff: noqa: F811, I001\n# fmt: off\n{head}\n\n{lines}\n\n\n{body}\n"


if __name__ == "__main__":
    CODE.write_text(code(), encoding="utf-8")
