"""The judge of a run: what is in the database and in the files, against what the inputs say."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import cached_property
from random import Random
from typing import Any
from uuid import UUID

from django.db.models import Count

from durable import codec
from durable.models import AuditEntry, Event, Execution, StepRun, Wait
from durable.states import FINAL, EventStatus, StepStatus
from tests.model.walk import without_errors
from tests.parts.leftovers import leftovers
from tests.shop.models import Effect
from tests.soak import place
from tests.soak.flows import flows
from tests.soak.plans import as_given, plan
from tests.soak.script import Record
from tests.soak.workflows import ROWS, UNDONE, UNDONE_BY_ROW

Place = tuple[UUID, str, int]


def records() -> list[Record]:
    """What the clients have written."""
    names = {field.name for field in fields(Record)}
    found = []
    for line in place.noted("records"):
        raw = json.loads(line)
        assert raw.keys() == names
        found.append(Record(**{**raw, "met": Counter(raw["met"])}))
    return found


def base(name: str) -> str:
    """The name of the step's function, whatever it is called in the flow."""
    return "turn" if name == "first_turn" else name


class Judge:
    """Reads everything once."""

    def __init__(self) -> None:
        self.records = records()
        self.rows = {row.pk: row for row in Execution.objects.all()}
        self.children: dict[UUID | None, list[Execution]] = defaultdict(list)
        for row in self.rows.values():
            self.children[row.parent_id].append(row)
        self.runs: dict[UUID, list[StepRun]] = defaultdict(list)
        for run in StepRun.objects.filter(status=StepStatus.COMPLETED).defer("input", "logs"):
            self.runs[run.execution_id].append(run)
        self.outside = Counter(place.noted("outside"))
        self.statuses: Counter[str] = Counter()

    @cached_property
    def by_token(self) -> dict[str, list[Execution]]:
        """The root executions of each token, reruns aside."""
        found: dict[str, list[Execution]] = defaultdict(list)
        for row in self.children[None]:
            if row.rerun_of_id is None:
                token = row.tags.get("token") or row.input["token"]
                found[token].append(row)
        return found

    @cached_property
    def reruns(self) -> dict[UUID, list[Execution]]:
        """The reruns of each execution."""
        found: dict[UUID, list[Execution]] = defaultdict(list)
        for row in self.children[None]:
            if row.rerun_of_id is not None:
                found[row.rerun_of_id].append(row)
        return found

    def tree(self, root: Execution) -> list[Execution]:
        """The execution and all below it."""
        found, todo = [], [root]
        while todo:
            one = todo.pop()
            found.append(one)
            todo += self.children[one.pk]
        return found

    # -- the whole -------------------------------------------------------------------------------

    def faults(self) -> Iterator[str]:
        """Everything that is wrong."""
        yield from leftovers()
        yield from self._starts()
        yield from self._twice()
        yield from self._rows()
        yield from self._events()
        for record in self.records:
            for complaint in record.complaints:
                yield f"{record.token}: {complaint}"
            for row in self.by_token[record.token]:
                self.statuses[row.status] += 1
                for fault in self._execution(record, row):
                    yield f"{record.token} ({row.workflow} {row.pk}, {row.status}): {fault}"
                for again in self.reruns[row.pk]:
                    fresh = Record(record.token, record.workflow, str(again.pk))
                    for fault in self._execution(fresh, again):
                        yield f"rerun of {record.token} ({again.pk}): {fault}"

    def _starts(self) -> Iterator[str]:
        known = {record.token for record in self.records}
        for token in self.by_token.keys() - known:
            yield f"{token}: an execution that nobody started"
        for record in self.records:
            rows = self.by_token[record.token]
            if len(rows) > 1:
                yield f"{record.token}: there {len(rows)} times"
            if record.id and not rows:
                yield f"{record.token}: lost"
            returned = record.id and record.workflow != "soak_signal"
            if returned and [str(row.pk) for row in rows] != [record.id]:
                yield f"{record.token}: another execution than the one that was returned"
            if rows:
                number = len(self.reruns[rows[0].pk])
                if not record.reruns_accepted <= number <= record.reruns:
                    yield f"{record.token}: {number} reruns of {record.reruns}"

    def _twice(self) -> Iterator[str]:
        done = StepRun.objects.completed().values("execution", "path", "visit", "compensation")
        for row in done.annotate(n=Count("id")).filter(n__gt=1):
            yield f"done twice: {row}"
        for key, number in Counter(Effect.objects.values_list("key", flat=True)).items():
            if number != self.due[key]:
                yield f"the effect {key} is there {number} times, not {self.due[key]}"
        for key in self.due.keys() - set(Effect.objects.values_list("key", flat=True)):
            yield f"the effect {key} is lost"

    @cached_property
    def due(self) -> Counter[str]:
        """How often each effect must be there: once for each completed visit."""
        leaves = {leaf.name for flow in flows().values() for leaf in flow.node.leaves()}
        with_rows = {
            leaf.name for flow in flows().values() for leaf in flow.node.leaves() if leaf.has_effect
        }
        assert not leaves & ROWS
        found: Counter[str] = Counter()
        for pk, runs in self.runs.items():
            composed = self.rows[pk].workflow.startswith("flow")
            names = self._effects_of(self.rows[pk].workflow) if composed else ROWS
            for run in runs:
                if not run.compensation and run.name in names:
                    found[f"{pk}:{base(run.name)}"] += 1
                elif run.compensation and not composed and run.name in UNDONE_BY_ROW:
                    found[f"{pk}:un{base(run.name)}"] += 1
        assert with_rows
        return found

    def _effects_of(self, workflow: str) -> set[str]:
        flow = flows()[workflow.partition("-")[0]]
        return {leaf.name for leaf in flow.node.leaves() if leaf.has_effect}

    def _rows(self) -> Iterator[str]:
        """What no row may be after the end."""
        for row in self.rows.values():
            if row.status in ("blocked", "compensation_failed"):
                yield f"{row.workflow} {row.pk} is {row.status}: {row.error}"
        for entry in self.audited(twice=True):
            yield f"audited twice: {entry}"

    def audited(self, *, twice: bool) -> Iterable[Any]:
        """Cancellations of one execution that are on record more than once."""
        rows = AuditEntry.objects.filter(action="cancel").values("execution_id")
        return rows.annotate(n=Count("id")).filter(n__gt=1) if twice else rows

    def _events(self) -> Iterator[str]:
        """Each is there once, and is consumed by one wait or by nobody."""
        for event in Event.objects.filter(status=EventStatus.PENDING):
            yield f"not delivered: {event.event_id}"
        consumed = Event.objects.filter(status=EventStatus.CONSUMED).values("wait")
        for row in consumed.annotate(n=Count("id")).filter(n__gt=1):
            yield f"a wait took {row['n']} events: {row['wait']}"
        for event in Event.objects.filter(status=EventStatus.CONSUMED, wait__isnull=True):
            yield f"consumed by nobody: {event.event_id}"

    # -- one execution ---------------------------------------------------------------------------

    def _execution(self, record: Record, row: Execution) -> Iterator[str]:
        if record.cancel_accepted and row.status == "completed":
            yield "cancelled, and yet completed"
        if record.workflow in ("soak_order", "soak_short"):
            yield from self._order(record, row)
        elif record.workflow == "soak_signal":
            if row.status != "completed" or row.data != {"token": record.token, "heard": True}:
                yield f"{row.data}"
        else:
            yield from self._flow(record, row)

    def _order(self, record: Record, row: Execution) -> Iterator[str]:
        dice = Random(f"{place.seed()} {record.token}")
        asked = plan(record.token, dice, is_short=record.workflow == "soak_short")
        wanted = {"cancelled", "compensated"} if record.cancelled else {asked.end}
        if record.cancelled and not record.cancel_accepted:
            wanted.add(asked.end)
        if row.status not in wanted:
            yield f"not {wanted}: {row.error}"
        tree = self.tree(row)
        parcels = [one for one in tree if one.workflow == "soak_parcel"]
        tree = [one for one in tree if one.workflow != "soak_parcel"]
        runs = [run for one in tree for run in self.runs[one.pk]]
        done = Counter(run.name for run in runs if not run.compensation)
        yield from self._undone(row, runs)
        yield from self._outside(runs)
        if len(parcels) != asked.parcels * done["post"]:
            yield f"{len(parcels)} parcels of {asked.parcels}"
        for parcel in parcels:
            if parcel.status != "completed" or not parcel.data["sent"]:
                yield f"a parcel is {parcel.status}"
        if len(record.answers) > 1:
            yield f"answered {len(record.answers)} times"
        answer = next(iter(record.answers), None)
        if row.status != "completed":
            return
        if answer is None and row.data.get("answer") in record.offered:
            answer = row.data["answer"]
        if as_given(row.data) != asked.result(answer or ""):
            yield f"got {as_given(row.data)}\nwant {asked.result(answer or '')}"
        if not self.outside[f"drawn {row.data['drawn']} {row.data['charge']}"]:
            yield "what it drew was not noted"
        legs = [one for one in tree if one.workflow == "soak_leg"]
        if len(legs) != asked.legs:
            yield f"{len(legs)} legs of {asked.legs}"
        items = Counter(one.parent_path for one in tree if one.role == "item")
        if set(items.values()) - {len(asked.items)}:
            yield f"items: {items}"
        events = Event.objects.filter(execution=row.pk, status=EventStatus.CONSUMED).count()
        if events != asked.pays + asked.ships:
            yield f"{events} events of {asked.pays + asked.ships}"
        if Event.objects.filter(execution=row.pk).count() != events:
            yield "events that were not asked for"

    def _undone(self, row: Execution, runs: list[StepRun]) -> Iterator[str]:
        """Compensations: exactly those that are due, newest first."""
        forward = [run for run in runs if not run.compensation and run.name in UNDONE]
        undone = {_place(run): run for run in runs if run.compensation}
        for place_ in undone.keys() - {_place(run) for run in forward}:
            yield f"undone, but never done: {place_}"
        if row.status == "compensated":
            missing = [_place(run) for run in forward if _place(run) not in undone]
            if missing:
                yield f"not undone: {missing}"
                return
            newest = sorted(forward, key=lambda run: (run.ended_at, run.pk), reverse=True)
            order = [undone[_place(run)].ended_at for run in newest if run.name != "hold"]
            if order != sorted(order):  # type: ignore[type-var]
                names = [(run.name, run.ended_at, undone[_place(run)].ended_at) for run in newest]
                yield f"undone in another order: {names}"
        else:
            names = {run.name for run in undone.values()}
            allowed = {"hold"}
            if row.status not in FINAL or names - allowed:
                yield f"undone without reason: {names}"

    def _outside(self, runs: list[StepRun]) -> Iterator[str]:
        """Effects outside of the database: at least once."""
        for run in runs:
            if run.name in ("charge", "call"):
                word = f"un{run.name}" if run.compensation else run.name
                if not self._seen[word, run.execution_id]:
                    yield f"{word} is not noted"

    @cached_property
    def _seen(self) -> Counter[tuple[str, UUID]]:
        found: Counter[tuple[str, UUID]] = Counter()
        for line, number in self.outside.items():
            word, who, _ = line.split(" ", 2)
            if word != "drawn":
                found[word, UUID(who)] += number
        return found

    def _flow(self, record: Record, row: Execution) -> Iterator[str]:
        flow = flows()[record.workflow]
        walk, end = flow.walk
        status = {"completed"} if flow.completes else {"failed", "compensated"}
        wanted = status
        if record.cancelled:
            wanted = {"cancelled", "compensated"}
            if not record.cancel_accepted:
                wanted |= status
            if flow.is_frank:
                wanted.add("failed")
        if row.status not in wanted:
            yield f"not {wanted}: {row.error}"
        if row.status == "completed":
            got = without_errors(row.data)
            if not codec.alike(got, end):
                yield f"got  {got}\nwant {end}"
        runs = [run for one in self.tree(row) for run in self.runs[one.pk]]
        undone = {_place(run) for run in runs if run.compensation}
        forward = {_place(run): run.name for run in runs if not run.compensation}
        for place_ in undone - forward.keys():
            yield f"undone, but never done: {place_}"
        if record.cancelled and row.status not in ("completed", "compensated"):
            return
        standing = Counter(name for at, name in forward.items() if at not in undone)
        expected = flow.standing if row.status == "completed" else Counter[str]()
        for leaf in flow.node.leaves():
            unsure = row.status == "completed" and leaf.name in walk.unsure
            if leaf.is_undone and not unsure and standing[leaf.name] != expected[leaf.name]:
                yield f"{leaf.name} stands {standing[leaf.name]} times, not {expected[leaf.name]}"


def _place(run: StepRun) -> Place:
    return run.execution_id, run.path, run.visit


def withheld() -> Iterator[str]:
    """Before the last events are sent: whoever is not final waits for the event that is missing."""
    missing = {record.id: record for record in records() if record.withheld}
    for row in Execution.objects.filter(parent=None).unfinished():
        if str(row.pk) not in missing:
            yield f"{row.workflow} {row.pk} is {row.status}, and nobody knows for what it waits"
            continue
        names = [wait.names for wait in Wait.objects.open().filter(root_id=row.pk)]
        if ["paid"] not in names or any(each != ["paid"] for each in names):
            yield f"{row.pk} waits for {names}"
