"""The virtual environments of the engines, each installed by ``pip`` when it is first needed."""

from __future__ import annotations

import importlib
import json
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

from benchmarks.engines import Engine

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".cache" / "benchmarks"

#: Our own first; the order of each round.
NAMES = ("ours", "dbos", "absurd", "procrastinate", "pgqueuer")


def engine_of(name: str) -> type[Engine]:
    """The class of the engine; its file imports nothing of the engine until it is called."""
    found: type[Engine] = importlib.import_module(f"benchmarks.engines.{name}").ENGINE
    return found


@cache
def python_of(name: str) -> str:
    """The interpreter that has the engine; installs it if need be."""
    directory = CACHE / "venvs" / name
    python = directory / "bin" / "python"
    packages = engine_of(name).packages
    wanted = json.dumps([packages, _project() if name == "ours" else "", sys.version])
    mark = directory / ".installed"
    if not (mark.exists() and mark.read_text() == wanted):
        print(f"installing {' '.join(packages)} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
        arguments = [part for package in packages for part in shlex.split(package)]
        installed = subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--no-input", *arguments],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        if installed.returncode:
            raise RuntimeError(f"pip could not install {name}: {installed.stderr}")
        mark.write_text(wanted)
    return str(python)


def versions_of(name: str) -> dict[str, str]:
    """What is installed for an engine, by package."""
    listed = subprocess.run(
        [python_of(name), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    found = {one["name"]: one["version"] for one in json.loads(listed.stdout)}
    return {key: value for key, value in found.items() if key not in ("pip", "setuptools")}


def _project() -> str:
    """What our own package needs."""
    return json.dumps(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])
