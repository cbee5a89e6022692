"""Where the demo runs: a directory and a database of its own, made anew each time."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DIRECTORY = Path(os.environ.get("DEMO_DIRECTORY", ROOT / ".cache" / "demo"))
DATABASE = DIRECTORY / "demo.sqlite3"
WORKER_LOG = DIRECTORY / "worker.log"
OUTAGES = DIRECTORY / "outages"

DAY = os.environ.get("DEMO_DAY", "1.5")  # seconds: three days of sleep are 4.5 seconds
LIMIT = float(os.environ.get("DEMO_LIMIT", "90"))  # seconds for any one thing to happen

ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "example_project.settings",
    "DATABASE_URL": f"sqlite:///{DATABASE}",
    "DEBUG": "1",
    "DURABLE_LEASE": "2",  # seconds: a dead worker is noticed soon
    "EXAMPLE_DAY": DAY,
    "EXAMPLE_LATENCY": "0.3",  # seconds
    "EXAMPLE_OUTAGES": str(OUTAGES),
    "PYTHONUNBUFFERED": "1",
}


def make_anew() -> None:
    """Remove what an earlier run has left, set Django up, and make the tables."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for leftover in (*DIRECTORY.glob(f"{DATABASE.name}*"), WORKER_LOG):
        leftover.unlink(missing_ok=True)
    shutil.rmtree(OUTAGES, ignore_errors=True)
    OUTAGES.mkdir()

    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


class Outages:
    """Other companies that get requests and act on them, but whose answers do not come.

    So a worker hangs in the middle of a step for as long as it takes to kill it there.
    """

    def __init__(self, directory: Path = OUTAGES) -> None:
        self._directory = directory

    def begin(self, *requests: str) -> None:
        """From now on these, such as ``"payments A-1"``, are not answered."""
        for request in requests:
            (self._directory / request).touch()

    def end(self) -> None:
        """All are answered again."""
        for request in self._directory.iterdir():
            request.unlink()
