"""One run: workers and clients are started, faults happen, work drains, and the judge looks."""

from __future__ import annotations

import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from django.core.management import call_command
from django.db import Error, connection

import durable
from durable.management import doctor
from durable.models import Execution, StepRun
from tests.soak import cuts, place
from tests.soak.processes import Client, Nursery, Process, Worker
from tests.soak.server import Server

WORKERS, CLIENTS, SLOTS = 3, 2, 5

#: seconds without any change after which the run is stuck
PATIENCE = 180.0

#: seconds in which a cut that was asked for must have happened, or another is asked for
CUT_WITHIN = 4.0

#: how errors of a lost connection, or of a server that stops and starts, are called
LOST = re.compile(
    r"(OperationalError|InterfaceError|AdminShutdown|ConnectionTimeout|CannotConnectNow"
    r"|CrashShutdown|IdleInTransactionSessionTimeout)\b"
)

#: what a worker says that was started while the database was away, and gave up
UNANSWERED = "the database has not answered for"


class Run:
    """The runner's own process."""

    def __init__(
        self, server: Server, *, executions: int, kills: int, cuts: int, restarts: int, pace: float
    ) -> None:
        self.server, self.executions, self.pace = server, executions, pace
        self.seed = place.seed()
        self.dice = random.Random(self.seed)
        self.plan = ["kill"] * kills + ["cut"] * cuts + ["restart"] * restarts
        self.dice.shuffle(self.plan)
        self.happened: Counter[str] = Counter()
        self.workers: list[Process] = []
        self.former: list[Process] = []
        self.clients: list[Process] = []
        self.nursery = Nursery()
        self.faults: list[str] = []

    # -- processes -------------------------------------------------------------------------------

    def _worker(self) -> None:
        number = len(self.workers) + len(self.former)
        arguments = ["--concurrency", str(SLOTS)]
        self.workers.append(Worker(self.nursery, f"worker-{number}", *arguments))

    def _up(self, processes: list[Process]) -> list[Process]:
        """Those that obey the signals of cuts already."""
        up = set(place.noted("up"))
        return [one for one in processes if one.is_alive and str(one.pid) in up]

    def _keep_up(self) -> None:
        """Replace workers that have ended; those that nobody killed are faults."""
        for worker in list(self.workers):
            if worker.is_alive:
                continue
            self.workers.remove(worker)
            self.former.append(worker)
            code, said = worker.code, worker.path.read_text()
            if not worker.killed and UNANSWERED in said:
                self.happened["gave up before it was up"] += 1
            elif not worker.killed:
                self.faults.append(f"{worker.path.name} ended with {code}: {said[-2000:]}")
            self._worker()

    # -- faults ----------------------------------------------------------------------------------

    def _kill(self) -> bool:
        up = self._up(self.workers)
        if not up:
            return False
        worker = self.dice.choice(up)
        worker.killed = True
        worker.signal(signal.SIGKILL)
        worker.wait()
        return True

    def _cut(self) -> bool:
        up = self._up(self.workers) * 2 + self._up(self.clients)
        if not up:
            return False
        before = len(place.noted(cuts.LOG))
        self.dice.choice(up).signal(self.dice.choice(list(cuts.SIGNALS)))
        end = time.monotonic() + CUT_WITHIN
        while time.monotonic() < end:
            if len(place.noted(cuts.LOG)) > before:
                return True
            time.sleep(0.05)
        return False

    def _restart(self) -> bool:
        mode = self.dice.choice(["immediate", "immediate", "fast"])
        self.server.restart(mode)
        self.happened[f"restart {mode}"] += 1
        return True

    def _all_faults(self) -> None:
        acts: dict[str, Callable[[], bool]] = {
            "kill": self._kill,
            "cut": self._cut,
            "restart": self._restart,
        }
        total, phase = max(len(self.plan), 1), 0
        todo = list(self.plan)
        while todo:
            time.sleep(min(self.dice.expovariate(1 / self.pace), 5 * self.pace))
            self._keep_up()
            if any(not one.is_alive and one.code for one in self.clients):
                raise RuntimeError("a client has died")
            name = todo[-1]
            if acts[name]():
                todo.pop()
                self.happened[name] += 1
            else:
                self.happened[f"{name} missed"] += 1
                todo.insert(0, todo.pop())
            place.say("progress", str(1 - len(todo) / total))
            if int(time.monotonic() / 10) != phase:
                phase = int(time.monotonic() / 10)
                place.say("phase", str(self.dice.choice([0, 0, 1, 2, 3])))
            if name == "restart" or not todo:
                sys.stderr.write(f"{len(todo)} faults to come: {dict(self.happened)}\n")
        place.say("phase", "0")
        place.say("progress", "1")

    # -- the end ---------------------------------------------------------------------------------

    def _ask(self, call: Callable[[], Any]) -> Any:
        while True:
            try:
                return call()
            except Error:
                with suppress(Error):
                    connection.close()
                time.sleep(0.2)

    def _until(self, true: Callable[[], object]) -> None:
        """Wait as long as anything changes."""
        last: Any = None
        since = time.monotonic()
        while not self._ask(true):
            self._keep_up()
            now = self._ask(
                lambda: (Execution.objects.unfinished().count(), StepRun.objects.count())
            )
            if now != last:
                last, since = now, time.monotonic()
            if time.monotonic() - since > PATIENCE:
                stuck = [str(one) for one in Execution.objects.unfinished()[:20]]
                self.faults.append(f"nothing has changed for {PATIENCE} s: {now}, {stuck}")
                return
            time.sleep(0.5)

    def _drain(self) -> None:
        from tests.soak import judge

        self._until(lambda: not any(one.is_alive for one in self.clients))
        kept = {record.id for record in judge.records() if record.withheld}
        rows = Execution.objects.unfinished()

        def quiet() -> bool:
            roots = {str(pk) for pk in rows.filter(parent=None).values_list("pk", flat=True)}
            busy = rows.filter(parent__isnull=False).exclude(root_id__in=kept)
            due = Execution.objects.filter(ready_at__isnull=False) | Execution.objects.filter(
                wake_at__isnull=False
            )
            return roots <= kept and not busy.exists() and not due.exists()

        self._until(quiet)
        self._until(lambda: not Execution.objects.filter(worker__isnull=False).exists())
        self.faults += judge.withheld()
        for pk in sorted(kept):
            if not durable.get_execution(pk).is_finished:
                self.happened["waited for what the model says"] += 1
                number = durable.get_execution(pk).input["pays"] - 1
                durable.send_event(pk, "paid", number)
        self._until(lambda: not rows.exists() and not Execution.objects.unreported().exists())

    def _stop(self) -> None:
        """SIGTERM for the workers that are left: they leave with 0."""
        report = doctor.examine()
        for finding in report.findings:
            if finding.severity == doctor.ERROR:
                self.faults.append(f"doctor: {finding.words} {finding.samples}")
        for worker in self.workers:
            worker.signal(signal.SIGTERM)
        for process in [*self.workers, *self.clients]:
            if code := process.wait():
                said = process.path.read_text()[-3000:]
                self.faults.append(f"{process.path.name} left with {code}: {said}")

    def _said(self) -> Iterator[str]:
        """Tracebacks that are not about a lost connection."""
        for process in [*self.former, *self.workers, *self.clients]:
            for error in tracebacks(process.path.read_text(errors="replace")):
                last = error.strip().splitlines()[-1]
                if LOST.search(last):
                    self.happened["known tracebacks"] += 1
                else:
                    yield f"{process.path.name}: {error[-3000:]}"

    def whole(self) -> tuple[dict[str, Any], list[str]]:
        """The figures, and what is wrong."""
        begun = time.monotonic()
        call_command("migrate", run_syncdb=True, verbosity=0)
        connection.close()
        for _ in range(WORKERS):
            self._worker()
        for number in range(CLIENTS):
            arguments = [str(number), str(CLIENTS), str(self.executions)]
            self.clients.append(Client(f"client-{number}", *arguments))
        try:
            self._all_faults()
            with_faults = time.monotonic() - begun
            self._drain()
            self._stop()
        finally:
            for one in [*self.workers, *self.clients]:
                one.signal(signal.SIGKILL)
                one.wait()
            self.nursery.process.communicate()
        return self._figures(begun, with_faults), self.faults

    def _figures(self, begun: float, with_faults: float) -> dict[str, Any]:
        from tests.soak.judge import Judge

        judge = Judge()
        self.faults += judge.faults()
        self.faults += self._said()
        met: Counter[str] = Counter()
        for record in judge.records:
            met += record.met
            met["given up, and there"] += record.given_up and bool(judge.by_token[record.token])
            met["given up, and not there"] += record.given_up and not judge.by_token[record.token]
            met["cancelled"] += record.cancel_accepted
            met["reruns"] += record.reruns_accepted
        recovered = StepRun.objects.filter(recoveries__gt=0).count()
        if recovered < (self.happened["kill"] - 10) // 5:
            self.faults.append(f"too few kills hit a step: {recovered}")
        return {
            "seed": self.seed,
            "started": len(judge.records),
            "kills": self.happened["kill"],
            "kills inside a step": killed_in_bodies(self.former),
            "cuts": Counter(line.split()[0] for line in place.noted(cuts.LOG)),
            "restarts": self.happened["restart"],
            "ends": judge.statuses,
            "executions": len(judge.rows),
            "steps": StepRun.objects.count(),
            "effects": judge.due.total(),
            "attempts in which a worker died": recovered,
            "clients": met,
            "also": {key: value for key, value in self.happened.items() if " " in key},
            "seconds": [round(with_faults), round(time.monotonic() - begun)],
        }


def killed_in_bodies(processes: list[Process]) -> int:
    """How many of the killed workers had a body at work."""
    at_work: Counter[str] = Counter()
    for line in place.noted("bodies"):
        word, pid, _ = line.split(" ", 2)
        at_work[pid] += 1 if word == "begin" else -1
    return sum(1 for one in processes if one.killed and at_work[str(one.pid)] > 0)


def tracebacks(text: str) -> Iterator[str]:
    """The tracebacks in what a process said, each to the line that names its error."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        if lines[at].startswith("Traceback (most recent call last)"):
            end = at + 1
            while end < len(lines) and (lines[end].startswith(" ") or not lines[end].strip()):
                end += 1
            yield "\n".join(lines[at : end + 1])
            at = end
        at += 1
