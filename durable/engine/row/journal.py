"""Match the requests of a step with the waits and records stored for its visit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import F, Q

from durable.errors import JournalMismatch
from durable.models import Execution, Record, Wait
from durable.models.given import Among
from durable.states import Status, WaitKind, WaitStatus
from durable.storage.statement import Statement

Place = tuple[str, str, int]  # kind, name, number of earlier calls with the same kind and name


_WAITS = Statement(lambda execution, path, visit: Wait.objects.of_visit(execution, path, visit))
_RECORDS = Statement(
    lambda execution, path, visit: Record.objects.filter(
        execution=execution, path=path, visit=visit
    )
)


def _where_they_stand(rows: Any, ids: Any) -> Any:
    """Those of the visits at which executions stand."""
    here = {"path": F("execution__path"), "visit": F("execution__visit")}
    return rows.filter(Among("execution_id", ids), **here).order_by()


_WAITS_HERE = Statement(lambda ids: _where_they_stand(Wait.objects, ids))
_RECORDS_HERE = Statement(lambda ids: _where_they_stand(Record.objects, ids))


@dataclass
class Journal:
    """The waits and records of one visit, by place, and the places asked for so far."""

    path: str
    waits: dict[Place, Wait] = field(default_factory=dict)
    records: dict[Place, Record] = field(default_factory=dict)
    _asked: set[Place] = field(default_factory=set)
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    @classmethod
    def of_visit(cls, execution_id: UUID, path: str, visit: int) -> Journal:
        """Read the waits and records of a visit."""
        where = {"execution": execution_id, "path": path, "visit": visit}
        return cls(
            path,
            {(w.kind, w.name, w.ordinal): w for w in _WAITS(**where)},
            {(r.kind, r.name, r.ordinal): r for r in _RECORDS(**where)},
        )

    @classmethod
    def of_rows(cls, paths: dict[UUID, str], recorded: Sequence[UUID]) -> dict[UUID, Journal]:
        """Read the visits at which executions stand, given their paths: two statements for all.

        ``recorded`` are those that have records in their visit.
        """
        found = {pk: cls(path) for pk, path in paths.items()}
        for wait in _WAITS_HERE(ids=list(found)):
            found[wait.execution_id].waits[wait.kind, wait.name, wait.ordinal] = wait
        for record in _RECORDS_HERE(ids=list(recorded)) if recorded else ():
            place = record.kind, record.name, record.ordinal
            found[record.execution_id].records[place] = record
        return found

    def place(self, kind: str, name: str) -> Place:
        """The place of the next call with this kind and name."""
        ordinal = self._counts[kind, name]
        self._counts[kind, name] += 1
        return kind, name, ordinal

    def wait(self, place: Place) -> Wait | None:
        """The wait stored at ``place``, if any; marks the place as asked for."""
        self._asked.add(place)
        return self.waits.get(place)

    def record(self, place: Place) -> Record | None:
        """The record stored at ``place``, if any; marks the place as asked for."""
        self._asked.add(place)
        return self.records.get(place)

    def check_new(self, place: Place, *, among_gathered: bool = False) -> None:
        """Refuse a new call while stored records are still unasked: ``JournalMismatch``.

        ``among_gathered``: results of ``arun`` may come back in any order, so unasked records of
        that kind do not count.
        """
        recorded = [at for at, one in self.waits.items() if one.status != WaitStatus.CANCELLED]
        recorded += [at for at in self.records if not (among_gathered and at[0] == place[0])]
        pending = [at for at in recorded if at not in self._asked]
        if pending:
            raise JournalMismatch(
                f"step {self.path!r} asks for {_words(place)}, but this visit has on record "
                f"{', '.join(_words(at) for at in pending)}, which the code has not asked for. "
                "Deploy code that fits, or retry(id, restart_step=True) to forget the records."
            )


def _words(place: Place) -> str:
    kind, name, ordinal = place
    return f"{kind} {name!r}" + (f" (number {ordinal + 1})" if ordinal else "")


def forget(execution_id: UUID, path: str, visit: int) -> int:
    """Delete all waits and records of a visit; return how many there were."""
    where: dict[str, Any] = {"execution": execution_id, "path": path, "visit": visit}
    waits, _ = Wait.objects.filter(**where).delete()
    records, _ = Record.objects.filter(**where).delete()
    return waits + records


def reopen(execution_id: UUID, path: str, visit: int) -> list[Execution]:
    """Prepare the records of a failed step for another try; return the children to continue.

    Waits without an answer, and children that did not complete, are forgotten: the step asks for
    them anew. But a child that failed, or that was stopped together with the step, is waited for
    again under its own id; those that have to continue for that are returned. A child that was
    cancelled by itself, has timed out or was undone is forgotten.
    """
    waits = Wait.objects.of_visit(execution_id, path, visit)
    failed = Q(status=WaitStatus.ANSWERED, child__status=Status.FAILED)
    unheard = (Status.FAILED, Status.CANCELLED, Status.COMPLETED)
    stopped = Q(status=WaitStatus.CANCELLED, child__status__in=unheard)
    again = dict(waits.filter(failed | stopped).values_list("pk", "child"))
    Wait.objects.filter(pk__in=again).reopen()
    others = waits.exclude(pk__in=again)
    others.exclude(status=WaitStatus.ANSWERED).delete()
    others.filter(kind=WaitKind.CHILD, received__isnull=False).delete()
    children = Execution.objects.filter(pk__in=list(again.values()))
    children.filter(status=Status.COMPLETED).mark_unreported()
    return list(children.exclude(status=Status.COMPLETED).light().order_by("id"))
