"""Start executions: check input and options, and insert the rows in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import models

from durable import clock, codec
from durable.authoring.nodes.callables import lookup
from durable.authoring.nodes.tree import Leaf
from durable.authoring.parse import registry
from durable.authoring.self.context import apart
from durable.authoring.workflow import Definition, Workflow
from durable.engine.row import walk
from durable.engine.row.position import encode
from durable.engine.start import rows
from durable.errors import DurableError, IdempotencyConflict
from durable.models import Execution
from durable.models.fields import Stored, uuid7
from durable.states import Status
from durable.storage import audit, sizes
from durable.storage.failpoints import reach
from durable.storage.transaction import (
    connection,
    in_callers_transaction,
    in_one_statement,
    stale,
)

Input = Mapping[str, Any] | None


@dataclass(frozen=True)
class StartOptions:
    """The options of ``start``, besides workflow and input."""

    queue: str | None = None
    priority: int | None = None
    scheduled_at: datetime | None = None
    delay: timedelta | None = None
    by: Any = None
    idempotency_key: str | None = None
    keys: Sequence[str] = ()
    carried: Sequence[str] = ()  # keys that include their scope already
    scope: str = ""
    subject: models.Model | None = None
    tags: Mapping[str, Any] = field(default_factory=dict)
    version: int | None = None
    noted: bool = False  # the caller writes the audit entry


def start(workflow: type[Workflow] | str, input: Input, options: StartOptions) -> Execution:
    """Insert one execution, or return the one already started with the same idempotency key."""
    definition = startable(workflow, options.version)
    data = codec.dump_data({} if input is None else input, path="input")
    execution = new_row(definition, data, options)
    once = options.idempotency_key
    try:
        keys = correlation_keys(definition, data, options)
    except DurableError:
        known = _started_before(definition, data, once)  # whatever its keys would be by now
        if known is None:
            raise
        return known
    noted = audit.is_due(options.by) and not options.noted

    def make() -> Execution:
        commits = not connection().in_atomic_block  # the statement, at once
        if commits:
            reach("start.before_commit")
        if not rows.insert(execution, keys):
            return _first(definition, data, once)
        if noted:
            audit.record(
                "start",
                by=options.by,
                execution=execution.pk,
                target=definition.name,
                after=codec.loads(data),
            )
        if not commits:
            reach("start.before_commit")
        return _readable(execution, data)

    if noted or not rows.in_one_statement(keys):
        return in_callers_transaction(make)()
    return in_one_statement(make, unique=once is not None)


@in_callers_transaction
def start_many(
    workflow: type[Workflow] | str, inputs: Iterable[Input], options: StartOptions
) -> list[Execution]:
    """Insert many executions of one workflow, all or none."""
    definition = startable(workflow, options.version)
    like: Execution | None = None
    bodies, carriers = list[rows.StartedRow](), list[rows.Carrier]()
    for number, input in enumerate(sizes.several("inputs", inputs)):
        data = codec.dump_data({} if input is None else input, path=f"inputs[{number}]")
        like = new_row(definition, data, options) if like is None else like
        frames = encode(walk.start_of(definition.tree.root, data)[1])
        body = rows.StartedRow(uuid7(), data, frames)
        bodies.append(body)
        for key in correlation_keys(definition, data, options):
            carriers.append(rows.Carrier(uuid7(), body.id, key))
    if like is not None:
        rows.insert_many(like, bodies, carriers)
    if audit.is_due(options.by):
        audit.record("start_many", by=options.by, target=definition.name, after=len(bodies))
    return [] if like is None else [_readable(row, row.data) for row in rows.made(like, bodies)]


def startable(workflow: type[Workflow] | str, version: int | None = None) -> Definition:
    """The definition of a workflow class or name; ``WorkflowNotFound`` if there is none."""
    return registry.resolve(workflow, version).definition


def new_row(definition: Definition, data: str, options: StartOptions) -> Execution:
    """An unsaved execution at the first position of its flow."""
    defaults = definition.options
    pk = uuid7()
    at = _scheduled(options)
    begin = at if at is not None else clock.now()
    timeout = defaults.timeout
    priority = defaults.priority if options.priority is None else sizes.priority(options.priority)
    if options.idempotency_key is not None:
        sizes.text("idempotency_key", options.idempotency_key)
    home = defaults.queue if options.queue is None else sizes.text("queue", options.queue, 100)
    path, frames = walk.start_of(definition.tree.root, data)
    return rows.unsaved(
        id=pk,
        root_id=pk,
        workflow=definition.name,
        version=definition.version,
        kind=definition.kind,
        status=Status.PENDING,
        queue=_queue_of(definition, path) or home,
        home_queue=home,
        rank=-priority,
        ready_at=None if at is not None else clock.now(),
        wake_at=at,
        path=path,
        frames=encode(frames),
        input=Stored(data),
        data=Stored(data),
        tags=sizes.tags(options.tags),
        scope=options.scope,
        idempotency_key=options.idempotency_key,
        created_at=clock.now(),
        scheduled_at=at,
        deadline_at=None if timeout is None else begin + timeout,
        **subject_columns(options.subject, defaults.subject),
    )


def _queue_of(definition: Definition, path: str) -> str | None:
    """The queue that the first step declares, if the execution starts at a step."""
    node = definition.tree.find(path)
    return node.step.queue if isinstance(node, Leaf) else None


def _scheduled(options: StartOptions) -> Any:
    """The start time: an instant, an SQL expression, or ``None`` for now."""
    at, delay = options.scheduled_at, options.delay
    if at is not None and delay is not None:
        raise DurableError("scheduled_at and delay exclude each other: give one of them")
    if at is not None and (not isinstance(at, datetime) or at.tzinfo is None):
        raise DurableError(f"scheduled_at must be an aware datetime, not {at!r}")
    if delay is not None:
        return clock.now() + max(sizes.later("delay", delay), timedelta(0))
    return None if at is None else sizes.instant("scheduled_at", at)


def subject_columns(subject: models.Model | None, declared: str | None) -> dict[str, str]:
    """The columns of the subject; ``DurableError`` if ``Meta.subject`` declares another model."""
    if subject is None:
        return {}
    if not isinstance(subject, models.Model) or subject.pk is None:
        raise DurableError(f"subject must be a saved model instance, not {subject!r}")
    if declared is not None and subject._meta.label_lower != declared.lower():
        raise DurableError(f"subject must be a {declared}, not a {subject._meta.label}")
    key = sizes.text("the primary key of the subject", str(subject.pk))
    return {"subject_type": subject._meta.label_lower, "subject_id": key}


def correlation_keys(definition: Definition, data: str, options: StartOptions) -> list[str]:
    """The scoped correlation keys of an execution: the given ones, and the one of ``Meta.key``."""
    given = options.keys
    if isinstance(given, str):
        raise DurableError(f"keys must be a list of strings, not the string {given!r}")
    keys = list(sizes.several("keys", given))
    own = _own_key(definition, data)
    if own is not None:
        keys.append(own)
    for key in keys:
        sizes.text("a correlation key", key)
    scoped = [sizes.scoped(options.scope, key) for key in keys]
    return list(dict.fromkeys([*scoped, *options.carried]))


def _own_key(definition: Definition, data: str) -> str | None:
    """The key that ``Meta.key`` makes from the input; ``DurableError`` if it can't."""
    own = definition.options.key
    if own is None:
        return None
    input = codec.loads(data)
    try:
        key: Any = apart(own, input) if callable(own) else input.get(own, lookup(input, own))
        return None if key is None else str(key)
    except Exception as error:
        raise DurableError(
            f"Meta.key of {definition.name} can't be told from this input: "
            f"{type(error).__name__}: {error}"
        ) from error


def _readable(execution: Execution, data: str) -> Execution:
    """The row with decoded values instead of stored text, as if read from the database."""
    execution.input, execution.data = codec.loads(data), codec.loads(data)
    return execution


def _first(definition: Definition, data: str, key: str | None) -> Execution:
    """The execution whose key was in the way."""
    known = _started_before(definition, data, key)
    if known is None:  # its row can't be seen, or it was removed meanwhile
        raise stale()
    return known


def _started_before(definition: Definition, data: str, key: str | None) -> Execution | None:
    """The execution already started with ``key``; ``IdempotencyConflict`` if its input differs."""
    if key is None:
        return None
    known = Execution.objects.filter(workflow=definition.name, idempotency_key=key).first()
    if known is None:
        return None
    if not codec.alike(known.input, codec.loads(data)):
        raise IdempotencyConflict(
            f"{definition.name} was started with idempotency_key={key!r} before, with another "
            f"input (execution {known.pk})"
        )
    known.created = False
    return known
