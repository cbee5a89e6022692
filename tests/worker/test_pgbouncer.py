"""Workers behind a real pgbouncer in transaction mode know that they hear nothing, and poll."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.db import connections

import durable
from durable import Data, Workflow, step
from durable.management import doctor
from durable.models import Worker
from durable.testing import worker
from durable.worker.listener import PROOF
from tests.cases import until
from tests.worker.cases import WorkerTestCase

MISSING = "this test needs pgbouncer: apt-get install pgbouncer"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _configuration(settings: dict[str, Any], port: int, log: Path) -> str:
    server = {
        "host": settings["HOST"],
        "port": settings["PORT"],
        "user": settings["USER"],
        "password": settings["PASSWORD"],
    }
    words = " ".join(f"{name}='{value}'" for name, value in server.items() if value)
    return f"""
[databases]
* = {words}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
ignore_startup_parameters = extra_float_digits,options,application_name
logfile = {log}
"""


@contextmanager
def pgbouncer() -> Iterator[None]:
    """Every connection that is opened within goes through a pooler with few connections."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program is not None, MISSING
    connection = connections["default"]
    settings: dict[str, Any] = connection.settings_dict
    host = Path(str(settings["HOST"]))
    account = host.owner() if host.is_dir() else "nobody"
    port, before = _free_port(), {name: settings[name] for name in ("HOST", "PORT")}
    with TemporaryDirectory() as directory:
        log, file = Path(directory, "pgbouncer.log"), Path(directory, "pgbouncer.ini")
        file.write_text(_configuration(settings, port, log))
        command = [program, str(file)]
        if os.getuid() == 0:  # which it refuses to run as
            command[1:1] = ["-u", account]
            for path in (Path(directory), file):
                shutil.chown(path, pwd.getpwnam(account).pw_uid)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as one:
            try:
                connection.close()
                until(lambda: _answers(port))
                settings |= {"HOST": "127.0.0.1", "PORT": str(port)}
                yield
            finally:
                connection.close()
                settings |= before
                one.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class PgbouncerTests(WorkerTestCase):
    @pytest.mark.only_on("postgresql")
    def test_a_worker_behind_a_pooler_in_transaction_mode_polls_and_nobody_believes_it_listens(
        self,
    ) -> None:
        class Plain(Workflow):
            @step
            def only(self, data: Data) -> None:
                pass

        with pgbouncer(), worker():
            listening = Worker.objects.live().filter(listening=True)
            end = time.monotonic() + 3 * PROOF
            while time.monotonic() < end:  # long after a worker would trust what it hears
                begun = time.monotonic()
                self.assertCompleted(durable.start(Plain))
                self.assertLess(time.monotonic() - begun, 3)
                self.assertFalse(listening.exists())
                threading.Event().wait(0.5)

    @pytest.mark.only_on("postgresql")
    def test_starts_through_a_pooler_are_not_prepared(self) -> None:
        class Plain(Workflow):
            @step
            def only(self, data: Data) -> None:
                pass

        with pgbouncer():
            for _ in range(4):
                durable.start(Plain)
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_prepared_statements")
                self.assertEqual(cursor.fetchone(), (0,))

    @pytest.mark.only_on("postgresql")
    def test_the_doctor_says_that_nothing_arrives_behind_a_pooler(self) -> None:
        with pgbouncer():
            found = [finding.code for finding in doctor.examine().findings]
        self.assertIn("listen-unusable", found)
        self.assertNotIn("listen-unusable", [one.code for one in doctor.examine().findings])
