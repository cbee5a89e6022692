"""``make soak``: one run, from an empty server to the verdict, as the environment asks for it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import django

from tests.postgres import CACHE
from tests.soak import place

SETTINGS = {"LEASE": 6, "POLL_INTERVAL": 0.5, "SHUTDOWN_GRACE": 20}


def number(name: str, default: int) -> int:
    """An argument of the run."""
    return int(os.environ.get(name) or default)


def main() -> int:
    """0 if nothing was lost or doubled; the last line says the figures, as JSON."""
    from tests.soak.server import Server

    seed = number("SEED", int(time.time()) % 100_000)
    CACHE.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"soak-{seed}-", dir=CACHE))
    server = Server(directory / "postgres")
    os.environ |= {
        place.DIRECTORY: str(directory),
        place.SEED: str(seed),
        "DATABASE_URL": server.url,
        "DURABLE_TEST_DB": "postgres",
        "DURABLE_TEST_APPS": "tests.soak",
        "DURABLE_TEST_SETTINGS": json.dumps(SETTINGS),
        "DJANGO_SETTINGS_MODULE": "tests.crash.settings",
    }
    os.environ.pop("DURABLE_TEST_NAME", None)
    good = False
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        django.setup()
        from tests.soak.run import Run

        run = Run(
            server,
            executions=number("EXECUTIONS", 2000),
            kills=number("KILLS", 300),
            cuts=number("CUTS", 150),
            restarts=number("RESTARTS", 20),
            pace=float(os.environ.get("PACE") or 1.0),
        )
        figures, faults = run.whole()
        good = not faults
        for fault in faults[:200]:
            sys.stdout.write(f"FAULT {fault[:3000]}\n")
        sys.stdout.write(json.dumps({**figures, "faults": len(faults)}) + "\n")
    finally:
        server.stop()
        if good:
            shutil.rmtree(directory)
        else:
            sys.stdout.write(f"SEED={seed}; what is left lies in {directory.name}\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
