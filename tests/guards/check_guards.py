"""Take each guard out of a copy of the engine, and see its tests fail there.

``python -m tests.guards.check_guards [defect …]``: slow, so not a part of the suite. Exit code 1
if a guard can be removed without its tests noticing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

from tests.guards.mutation import Edit, Misfit, Mutation, changed
from tests.guards.mutations import MUTATIONS

ROOT = Path(__file__).resolve().parent.parent.parent
COPIED = ("docs", "durable", "tests", "example_project", "manage.py", "pyproject.toml", "README.md")
SECONDS = 200
AT_ONCE = max(2, (os.cpu_count() or 2) // 2)


def apply(edits: Sequence[Edit], root: Path) -> list[str]:
    """Change the files below ``root``; what does not fit (not found, or not once) is returned."""
    misfits = []
    for edit in edits:
        try:
            path, text = changed(root, edit)
        except Misfit as misfit:
            misfits.append(str(misfit))
        else:
            path.write_text(text)
    return misfits


def copy(to: Path) -> Path:
    """A copy of the tree in which files may be changed."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=ignore)
        elif source.exists():
            shutil.copy(source, to / name)
    return to


def outcomes(root: Path, tests: Sequence[str]) -> dict[str, str]:
    """How each test ends in the tree at ``root``: ``passed``, ``failed`` or ``missing``."""
    report = root / "report.xml"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DURABLE_TEST_")}
    environment |= {"DURABLE_TEST_DB": os.environ.get("DURABLE_TEST_DB", "sqlite")}
    environment |= {"DURABLE_TEST_RUN": root.name.replace("-", "_"), "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", f"--junit-xml={report}"]
    try:
        subprocess.run(
            [*command, *dict.fromkeys(tests)],
            cwd=root,
            env=environment,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return dict.fromkeys(tests, "hangs")
    ended: dict[str, str] = {}
    cases = ElementTree.parse(report).iter("testcase") if report.exists() else ()
    for case in cases:
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        failed = case.find("failure") is not None or case.find("error") is not None
        ended[name] = "failed" if failed or ended.get(name) == "failed" else "passed"
    return {test: ended.get(test.partition("::")[2], "missing") for test in tests}


def check(mutation: Mutation) -> list[str]:
    """What is wrong with one guard: nothing if every test fails without it."""
    with tempfile.TemporaryDirectory(prefix="guard-") as directory:
        root = copy(Path(directory))
        if misfits := apply(mutation.edits, root):
            return misfits
        ended = outcomes(root, mutation.tests)
        return [f"{how}: {test}" for test, how in ended.items() if how != "failed"]


def say(line: str) -> None:
    """A line for whoever waits for the result."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(wanted: Sequence[str]) -> int:
    """Check the guards of the wanted rows (all), and print one line each."""
    chosen = [m for m in MUTATIONS if not wanted or str(m.defect) in wanted]
    tests = sorted({test for mutation in chosen for test in mutation.tests})
    with tempfile.TemporaryDirectory(prefix="guard-") as directory:
        before = outcomes(copy(Path(directory)), tests)
    broken = [f"{how}: {test}" for test, how in before.items() if how != "passed"]
    if broken:
        say("\n  ".join(["These must pass while the guards are in place:", *broken]))
        return 1
    unnoticed = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for mutation, problems in zip(chosen, pool.map(check, chosen), strict=True):
            seen = "NOT NOTICED" if problems else f"seen by {len(mutation.tests)}"
            say(f"{mutation.defect:>3}  {seen:<12} without: {mutation.guard}")
            for problem in problems:
                say(f"       {problem}")
            unnoticed += bool(problems)
    say(f"{len(chosen)} guards, {unnoticed} unnoticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
