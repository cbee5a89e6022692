"""The load of ``make soak`` in short: a few executions, a few of each fault."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from unittest import TestCase

import pytest

from tests.processes import ROOT


@pytest.mark.only_on("postgresql")
class SoakTests(TestCase):
    def test_kills_cut_commits_and_a_restart_lose_and_double_nothing(self) -> None:
        asked = {"EXECUTIONS": "30", "KILLS": "6", "CUTS": "3", "RESTARTS": "1", "PACE": "0.2"}
        run = subprocess.run(
            [sys.executable, "-m", "tests.soak"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **asked},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        figures = json.loads(run.stdout.splitlines()[-1])
        expected = {"started": 30, "kills": 6, "restarts": 1, "faults": 0}
        self.assertEqual({name: figures[name] for name in expected}, expected)
        self.assertGreaterEqual(sum(figures["cuts"].values()), 3)
