"""Start child workflows: executions with a parent, inserted in the transaction of a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import UUID, uuid5

from durable import clock, codec
from durable.authoring.self.context import ChildOptions
from durable.authoring.workflow import Definition
from durable.engine.row.held import Claim
from durable.engine.row.journal import Place
from durable.engine.start import rows
from durable.engine.start.start import StartOptions, correlation_keys, new_row, startable
from durable.models import Execution, Record, RecordKind, Role
from durable.storage import sizes


def child_id(claim: Claim, place: Place) -> UUID:
    """The id of the child started at a place of a step's visit: the same for each attempt.

    After an operator's retry the same place starts another child, with another id.
    """
    kind, name, ordinal = place
    text = f"{claim.at.path}#{claim.at.visit}/{kind}/{name}/{ordinal}"
    if claim.at.floor:  # after an operator's retry: not the one that failed
        text += f"/{claim.at.floor}"
    return uuid5(claim.execution_id, text)


@dataclass(frozen=True)
class Child:
    """A child workflow that a body asked for, with checked data and keys."""

    definition: Definition
    data: str
    keys: list[str]
    options: StartOptions
    with_parent: bool = False  # cancelled with its parent

    @classmethod
    def of(
        cls,
        workflow: Any,
        input: Mapping[str, Any] | None,
        given: ChildOptions,
        *,
        with_parent: bool = False,
    ) -> Self:
        """Check a child's start arguments inside the body; raises the errors of ``start``."""
        definition = startable(workflow)
        data = codec.dump_data({} if input is None else input, path="input")
        options = StartOptions(
            queue=given.get("queue"),
            priority=given.get("priority"),
            tags=given.get("tags") or {},
            subject=given.get("subject"),
            keys=given.get("keys") or (),
        )
        keys = correlation_keys(definition, data, options)
        new_row(definition, data, options)
        return cls(definition, data, keys, options, with_parent)

    def row(self, claim: Claim) -> Execution:
        """The child's unsaved row, with defaults from its parent (queue, priority, tags, …)."""
        kept = ("tags", "scope", "subject_type", "subject_id")
        parent = Execution.objects.only(*kept).get(pk=claim.root_id)
        own, meta = self.options, self.definition.options
        queue = None if "queue" in meta.given else claim.home_queue
        options = replace(
            own,
            queue=queue if own.queue is None else own.queue,
            priority=-claim.rank if own.priority is None else own.priority,
            tags={**parent.tags, **own.tags},
            scope=parent.scope,
        )
        row = new_row(self.definition, self.data, options)
        if own.subject is None and (meta.subject or "").lower() in ("", parent.subject_type):
            row.subject_type, row.subject_id = parent.subject_type, parent.subject_id
        return row


def create(claim: Claim, place: Place, asked: Child, *, awaited: bool) -> Execution:
    """Insert a child, due at once; the caller has locked its parent's row."""
    child = asked.row(claim)
    child.id = child.root_id = child_id(claim, place)
    child.role, child.awaited = Role.CHILD, awaited
    child.cancelled_with_parent = asked.with_parent
    child.parent_id, child.parent_path = claim.execution_id, claim.at.path
    child.parent_visit = claim.at.visit
    child.last_completed_at = claim.last_completed_at
    rows.insert(child, [sizes.scoped(child.scope, key) for key in asked.keys])
    return child


def remember(claim: Claim, place: Place, asked: Child) -> None:
    """Insert a child that is not awaited, and its record, for later attempts of the step."""
    kind, name, ordinal = place
    child = create(claim, place, asked, awaited=False)
    Record.objects.create(
        execution_id=claim.execution_id,
        path=claim.at.path,
        visit=claim.at.visit,
        kind=RecordKind(kind),
        name=name,
        ordinal=ordinal,
        value=child.pk,
        created_at=clock.now(),
    )
