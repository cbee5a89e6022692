"""``DURABLE["DATABASE"]`` where the users are not: everything works, with the router."""

from __future__ import annotations

import os
import subprocess
import sys
from unittest import TestCase

from tests.processes import ROOT


class TwoDatabasesTests(TestCase):
    databases = ("default",)  # of the process below: on each kind of database

    def test_the_engine_works_where_the_users_are_not(self) -> None:
        environment = {k: v for k, v in os.environ.items() if k != "DURABLE_TEST_NAME"}
        environment |= {"PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "tests.apart.settings"}
        command = [sys.executable, "-m", "django", "test", "tests.apart.cases", "--noinput"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Ran 7 tests", done.stderr)
