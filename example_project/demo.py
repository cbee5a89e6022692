"""``make demo``: real workflows, a real worker, and a SIGKILL in the middle of a payment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from example_project.scenario import Scenario

ROOT = Path(__file__).resolve().parent.parent
DIRECTORY = Path(os.environ.get("DEMO_DIRECTORY", ROOT / ".cache" / "demo"))
DATABASE = DIRECTORY / "demo.sqlite3"
WORKER_LOG = DIRECTORY / "worker.log"
DAY = os.environ.get("DEMO_DAY", "2")  # seconds: three days of sleep are six seconds

ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "example_project.settings",
    "DATABASE_URL": f"sqlite:///{DATABASE}",
    "DEBUG": "1",
    "DURABLE_LEASE": "2",  # seconds: a dead worker is noticed soon
    "EXAMPLE_DAY": DAY,
    "EXAMPLE_LATENCY": "1.5",  # seconds: time enough to kill a worker that waits for an answer
    "PYTHONUNBUFFERED": "1",
}

LIMIT = 90.0  # seconds for any one thing to happen
LOOK = 0.05  # seconds between two looks


class DemoFailed(Exception):
    """Something did not happen as it should."""


# -- the worker, a process of its own -----------------------------------------------------------


class Worker:
    """``manage.py durable_worker``, as one would run it in production."""

    def __init__(self) -> None:
        with WORKER_LOG.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "durable_worker"],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def check(self) -> None:
        """``DemoFailed`` if it has died by itself."""
        if (code := self.process.poll()) is not None:
            raise DemoFailed(f"worker {self.pid} ended by itself with {code}; see {WORKER_LOG}")

    def kill(self) -> int:
        """SIGKILL: no chance to say goodbye. Returns its exit code."""
        self.process.send_signal(signal.SIGKILL)
        return self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM: it finishes what it does and leaves. Returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(20)
            except subprocess.TimeoutExpired:
                return self.kill()
        return self.process.returncode


# -- what is shown ------------------------------------------------------------------------------


class Screen:
    """Plain lines; on a terminal, below them, one line for each execution that changes in place."""

    def __init__(self) -> None:
        self.live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._begun = time.monotonic()
        self._block: list[str] = []
        self._known: dict[str, str] = {}

    def say(self, text: str = "") -> None:
        """One line that stays."""
        seconds = time.monotonic() - self._begun
        self._erase()
        print(f"{seconds:5.1f} s  {text}" if text else "", flush=True)
        self._draw()

    def show(self, states: Mapping[str, str]) -> None:
        """Where each execution stands: what has changed, or the whole block in place."""
        changed = {name: state for name, state in states.items() if self._known.get(name) != state}
        if not changed:
            return
        self._known.update(changed)
        if self.live:
            self._erase()
            self._block = [f"         {name:<18} {state}" for name, state in self._known.items()]
            self._draw()
        else:
            for name, state in changed.items():
                self.say(f"{name:<18} {state}")

    def close(self) -> None:
        """Leave the block as it is; what follows stands below it."""
        self._block = []

    def _erase(self) -> None:
        if self._block:
            print(f"\x1b[{len(self._block)}A\x1b[J", end="")

    def _draw(self) -> None:
        for line in self._block:
            print(line[: _columns()])
        if self._block:
            sys.stdout.flush()


def _columns() -> int:
    try:
        return os.get_terminal_size().columns or 100
    except OSError:
        return 100


def table(rows: Iterable[tuple[str, ...]]) -> None:
    """Print columns, the first row as their heads."""
    lines = [tuple(map(str, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


# -- the demo -----------------------------------------------------------------------------------


class Demo:
    """Everything that is shown, in order; a worker that it started never outlives it."""

    def __init__(self) -> None:
        self.screen = Screen()
        self.workers: list[Worker] = []
        self.scenario: Scenario

    def run(self) -> int:
        """Show it; 0 only if all ended as it should."""
        self.screen.say("a fresh SQLite database")
        _migrate()
        from example_project.scenario import Scenario  # needs Django to be set up

        self.scenario = Scenario()
        self.start_worker()
        self.scenario.start()
        self.screen.say(
            f"started {len(self.scenario.executions)} executions; a day takes {DAY} seconds"
        )
        self.kill_in_the_middle()
        self.answer()
        self.start_worker()
        self.scenario.pay()
        self.screen.say("a webhook says payment.success for order A-3")
        self.until("the payment is tried again", self.scenario.charged_again)
        self.screen.say("the order was taken up where it was: its payment step runs again")
        self.scenario.start_another()
        self.screen.say("another order, A-2, whose payment the provider refuses at first")
        self.until("all executions end", self.scenario.finished)
        code = self.workers[-1].stop()
        self.screen.say(f"worker {self.workers[-1].pid} was told to stop (SIGTERM) and did")
        self.screen.close()
        return self.verdict({"the worker stopped cleanly on SIGTERM": code == 0})

    def start_worker(self) -> None:
        """Start a worker and wait until it is at work."""
        before = self.scenario.workers()
        worker = Worker()
        self.workers.append(worker)
        self.screen.say(f"manage.py durable_worker: process {worker.pid}")
        self.until("the worker is up", lambda: self.scenario.workers() > before)

    def kill_in_the_middle(self) -> None:
        """SIGKILL the worker while it waits for the payment provider's answer."""
        self.until("the expense asks for approval", self.scenario.asks_for_approval)
        self.until("the card is charged", self.scenario.is_charging)
        worker = self.workers[-1]
        code = worker.kill()
        if code != -signal.SIGKILL:
            raise DemoFailed(f"worker {worker.pid} ended with {code} before it could be killed")
        self.scenario.note_kill()
        self.screen.say(
            f"kill -9 {worker.pid}: order A-1 is in charge_payment, the card is charged, "
            "the answer not yet recorded"
        )

    def answer(self) -> None:
        """Approve an expense while no worker is up: the answer is a row, it can wait."""
        self.scenario.approve()
        self.screen.say("no worker is up; a manager approves the expense of 120 all the same")

    def until(self, what: str, happened: Callable[[], bool]) -> None:
        """Show how things stand until it has happened."""
        end = time.monotonic() + LIMIT
        while not happened():
            if time.monotonic() > end:
                raise DemoFailed(f"waited {LIMIT:.0f} s in vain until {what}")
            if self.workers and self.workers[-1].process.returncode != -signal.SIGKILL:
                self.workers[-1].check()
            self.screen.show(self.scenario.states())
            time.sleep(LOOK)  # noqa: TID251 - a live demo looks on from outside
        self.screen.show(self.scenario.states())

    def verdict(self, more: Mapping[str, bool]) -> int:
        """The tables, what had to be true, and the exit code."""
        print()
        table(self.scenario.table_of_executions())
        print()
        table(self.scenario.table_of_steps())
        print()
        claims = {**self.scenario.claims(), **more}
        for claim, holds in claims.items():
            print(f"{'ok  ' if holds else 'FAIL'}  {claim}")
        return 0 if all(claims.values()) else 1

    def end(self) -> None:
        """End every process that was started, by its id."""
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()


def _migrate() -> None:
    """A database of its own, made anew each time."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for leftover in (*DIRECTORY.glob(f"{DATABASE.name}*"), WORKER_LOG):
        leftover.unlink(missing_ok=True)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _leave(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    """Run the demo; whatever happens, no process is left behind."""
    os.environ.update(ENVIRONMENT)
    signal.signal(signal.SIGTERM, _leave)
    demo = Demo()
    try:
        return demo.run()
    except DemoFailed as failed:
        print(f"FAIL  {failed}", file=sys.stderr)
        if WORKER_LOG.exists():
            print(WORKER_LOG.read_text(errors="replace")[-4000:], file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        demo.end()


if __name__ == "__main__":
    sys.exit(main())
