"""``python -m benchmarks``: measure, in interleaved rounds, and write what was found.

Exits with 1 if a measurement failed, or a result was not complete; a missed target is said, and
is no failure of the bench.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import time
import traceback
from pathlib import Path

from benchmarks.measuring.bench import Bench
from benchmarks.measuring.environments import NAMES, engine_of, python_of, versions_of
from benchmarks.measuring.processes import ROOT
from benchmarks.measuring.server import UnfitServer, running
from benchmarks.measuring.sizes import SIZES
from benchmarks.reporting import report
from benchmarks.scenarios import Scenario
from benchmarks.scenarios.catalogue import SCENARIOS


def main() -> int:
    """One run."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended, too
    begun = time.monotonic()
    engines = [name for name in NAMES if name in options.engines]
    chosen = [one for one in SCENARIOS if _is_chosen(one, options.only)]
    for name in engines:
        python_of(name)
    try:
        with running(os.environ.get("DATABASE_URL")) as server:
            server.refuse_unfit()
            bench = Bench(server, SIZES[options.size])
            try:
                _rounds(bench, chosen, engines)
            finally:
                bench.clear()
            run = report.Run(
                size=options.size,
                seconds=time.monotonic() - begun,
                machine=f"{os.cpu_count()} cores, {platform.machine()}, Python "
                f"{platform.python_version()}",
                postgres=f"{server.setting('server_version')}, fsync={server.setting('fsync')}, "
                f"synchronous_commit={server.setting('synchronous_commit')}, "
                f"shared_buffers={server.setting('shared_buffers')}",
                versions={name: versions_of(name) for name in engines},
                notes=[note for note in (engine_of(name).note for name in engines) if note],
                records=bench.records,
                errors=bench.errors,
                left_out=bench.left_out,
            )
    except UnfitServer as error:
        print(f"nothing was measured: {error}", file=sys.stderr)
        return 2
    report.write(run, options.out)
    return 1 if bench.errors else 0


def _rounds(bench: Bench, chosen: list[Scenario], engines: list[str]) -> None:
    """The rounds, then what is measured once; what would take too long is left out."""
    for number in range(bench.sizes.rounds):
        # A round takes its time: another one is begun only if it leaves some for the rest.
        if number and bench.late(f"round {number + 1}", 0.35):
            break
        for scenario in chosen:
            if scenario.repeated:
                _run(bench, scenario, engines, number)
    for scenario in chosen:
        if not scenario.repeated and not bench.late(scenario.name):
            _run(bench, scenario, engines, 0)


def _run(bench: Bench, scenario: Scenario, engines: list[str], number: int) -> None:
    """One scenario for each of its engines; a failure is recorded, and the others go on."""
    for name in scenario.engines:
        if name not in engines:
            continue
        begun, before = time.monotonic(), len(bench.records)
        try:
            scenario.run(bench, name, number)
        except UnfitServer:
            raise
        except Exception as error:
            bench.errors.append(f"{scenario.name}, {name}: {error}")
            traceback.print_exc()
        for record in bench.records[before:]:
            print(f"[{number + 1}] {report.line(record)}", flush=True)
        print(f"    {scenario.name}, {name}: {time.monotonic() - begun:.1f} s", flush=True)


def _is_chosen(scenario: Scenario, only: str | None) -> bool:
    return only is None or scenario.name in only.split(",")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument(
        "--only",
        help="names of scenarios, with commas: " + ", ".join(one.name for one in SCENARIOS),
    )
    parser.add_argument(
        "--engines",
        type=lambda text: text.split(","),
        default=list(NAMES),
        help="names, with commas: " + ", ".join(NAMES),
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "docs" / "benchmarks",
        help="the directory of the JSON file, the table and the plots",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
