"""The bench measures what it says: tried at size two, with our engine alone."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import TestCase, mock

import pytest

from benchmarks.measuring.bench import Bench, Incomplete, Record
from benchmarks.measuring.server import Server, UnfitServer
from benchmarks.measuring.sizes import SIZES
from benchmarks.reporting import report
from benchmarks.reporting.targets import targets
from benchmarks.scenarios import embedded, throughput
from tests import settings

TWO = replace(SIZES["tiny"], pipelines={"ours": 2})


def bench(server: Any) -> Bench:
    """A bench whose engine is this environment's, beside the tests' other connections."""
    prefix = f"bench_{settings.RUN}"
    return Bench(server, TWO, python=lambda name: sys.executable, strict=False, prefix=prefix)


@pytest.mark.long
class RunTests(TestCase):
    """A backlog of two pipelines is measured, verified and reported."""

    @pytest.mark.only_on("sqlite")
    def test_on_sqlite(self) -> None:
        ours = bench(mock.Mock(spec=Server))
        embedded.pipelines(ours, "ours", 0)
        (record,) = ours.records
        self.assertEqual(record.values["executions"], 2)
        self.assertGreater(record.values["per_second"], 0)

    @pytest.mark.only_on("postgresql")
    def test_on_postgresql(self) -> None:
        with closing(Server(os.environ["DATABASE_URL"])) as server:
            ours = bench(server)
            try:
                throughput.pipelines(ours, "ours", 0)
                with (
                    self.assertRaisesRegex(Incomplete, "0 results instead of 1"),
                    ours.stage("ours") as stage,
                ):
                    stage.ask("start", kind="one", count=1)
                    stage.verify("one", 1)
            finally:
                ours.clear()
            left = server.run("SELECT datname FROM pg_database WHERE datname ~ %s", ours.prefix)
        (record,) = ours.records
        self.assertEqual(record.values["executions"], 2)
        self.assertGreater(record.values["worker_ms"], 0)
        self.assertGreater(record.values["wal_bytes"], 0)
        self.assertEqual(left, [])

    @pytest.mark.only_on("postgresql")
    def test_nothing_is_measured_without_durability_or_beside_others(self) -> None:
        url = os.environ["DATABASE_URL"]
        with closing(Server(url)) as server, closing(Server(url)):
            with self.assertRaisesRegex(UnfitServer, "others are connected"):
                server.refuse_company()
            if server.setting("fsync") == "off":
                with self.assertRaisesRegex(UnfitServer, "fsync is off"):
                    server.refuse_unfit()


class ReportTests(TestCase):
    """What was found is told as files, with each target."""

    def test_a_target_that_was_not_measured_is_not_met(self) -> None:
        checks = [check for target in targets([]) for check in target.checks]
        known = [check for check in checks if check.what != "minutes"]
        self.assertEqual({check.met for check in known}, {None})

    def test_ratios_are_of_the_medians_of_all_rounds(self) -> None:
        records = [
            Record("pipeline", engine, number, {"per_second": speed})
            for engine, speeds in (("ours", (800.0, 10.0, 900.0)), ("dbos", (90.0, 100.0, 5.0)))
            for number, speed in enumerate(speeds)
        ]
        (steps,) = (one for one in targets(records) if one.row == "steps/s, one process")
        to_dbos = steps.checks[0]
        self.assertAlmostEqual(to_dbos.found or 0, 800 / 90)
        self.assertIs(to_dbos.met, True)

    def test_the_files_are_written(self) -> None:
        records = [
            Record("pipeline", "ours", 0, {"per_second": 1000.0, "worker_ms": 0.5}),
            Record("growth", "ours", 0, {"what": "backlog", "size": 100, "item_ms": 1.0}),
        ]
        run = report.Run(
            "tiny", 1.0, "", "", {"ours": {"django": "5"}}, [], records, ["broken"], ["x"]
        )
        with tempfile.TemporaryDirectory() as name, mock.patch("builtins.print"):
            directory = Path(name)
            report.write(run, directory)
            found = json.loads((directory / "results.json").read_text())
            self.assertEqual(found["medians"][0]["per_second"], 1000.0)
            self.assertIn("FAILED: broken", (directory / "results.md").read_text())
            for plot in ("steps", "cpu", "growth"):
                self.assertIn("</svg>", (directory / f"{plot}.svg").read_text())
