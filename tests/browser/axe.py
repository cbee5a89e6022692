"""Deque's axe-core, fetched once into the cache when the tests first need it."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

CACHED = Path(__file__).resolve().parent.parent.parent / ".cache" / "axe" / "axe.min.js"
PIP = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
PATIENCE = 120  # seconds for a download


def source() -> str:
    """The script: from npm, or where there is no npm, from a wheel that carries it."""
    if not CACHED.exists():
        with tempfile.TemporaryDirectory() as directory:
            script = _from_npm(Path(directory)) or _from_a_wheel(Path(directory))
        CACHED.parent.mkdir(parents=True, exist_ok=True)
        part = CACHED.with_suffix(f".{id(script)}")  # two processes may get it at once
        part.write_bytes(script)
        part.replace(CACHED)
    return CACHED.read_text(encoding="utf-8")


def _from_npm(directory: Path) -> bytes | None:
    if shutil.which("npm") is None:
        return None
    fetched = subprocess.run(
        ["npm", "pack", "--silent", "axe-core@4"], cwd=directory, timeout=PATIENCE, check=False
    )
    found = list(directory.glob("axe-core-*.tgz"))
    if fetched.returncode or not found:
        return None
    with tarfile.open(found[0]) as archive:
        member = archive.extractfile("package/axe.min.js")
        return member.read() if member is not None else None


def _from_a_wheel(directory: Path) -> bytes:
    subprocess.run(
        [*PIP, "--dest", str(directory), "axe-playwright-python"],
        timeout=PATIENCE,
        check=True,
    )
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(io.BytesIO(wheel.read_bytes())) as archive:
        name = next(name for name in archive.namelist() if name.endswith("axe.min.js"))
        return archive.read(name)
