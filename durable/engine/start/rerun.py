"""Rerun a finished execution as a new one: from the start, or from the data before a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from durable import codec
from durable.authoring.nodes.tree import Catch, Repeat
from durable.engine.row import walk
from durable.engine.row.position import Frames, encode
from durable.engine.start.start import StartOptions, start, startable
from durable.errors import InvalidTransition
from durable.models import CorrelationKey, Execution, StepRun
from durable.models.fields import Stored
from durable.states import FINAL
from durable.storage import audit, lookup
from durable.storage.transaction import in_callers_transaction, lock


@in_callers_transaction
def rerun(
    execution_id: Any, from_step: str | None, *, by: Any, tags: Mapping[str, Any] | None = None
) -> Execution:
    """Start a new execution of the same workflow and input, linked by ``rerun_of``.

    It has the tags, the scope and the keys of the old one; ``tags`` are added to those.
    """
    old = lookup.get(execution_id, rows=lock(Execution.objects.all()))  # no retention removes it
    lookup.refuse_part(old, "rerun")
    if old.status not in FINAL:
        raise InvalidTransition(f"execution {old.pk} is {old.status}: only a finished one is rerun")
    options = StartOptions(
        queue=old.home_queue,
        priority=old.priority,
        tags={**(tags or {}), **old.tags},
        scope=old.scope,
        version=old.version,
        noted=True,
        carried=list(CorrelationKey.objects.filter(execution=old).values_list("key", flat=True)),
    )
    new = start(old.workflow, old.input, options)
    rows = Execution.objects.filter(pk=new.pk)
    rows.update(rerun_of=old, subject_type=old.subject_type, subject_id=old.subject_id)
    if from_step is not None:
        run = _recorded(old, from_step)
        frames = encode(_frames(old, run))
        rows.update(path=run.path, data=Stored(codec.dumps(run.input)), frames=frames)
    after = None if from_step is None else {"from_step": from_step}
    audit.record("rerun", by=by, execution=new.pk, target=str(old.pk), after=after)
    new.refresh_from_db()
    return new


def _recorded(old: Execution, step: str) -> StepRun:
    """The last attempt of a step, by its path or its name."""
    tree = startable(old.workflow, old.version).tree
    for run in old.steps.order_by("-started_at", "-id"):
        if step in (run.path, run.name) and tree.find(run.path) is not None:
            return run
    raise InvalidTransition(f"execution {old.pk} has no recorded step {step!r} to start from")


def _frames(old: Execution, run: StepRun) -> Frames:
    """The frames of the loops and catches around the step from which the rerun starts."""
    tree = startable(old.workflow, old.version).tree
    frames: Frames = {}
    for node in walk.enclosing(tree, run.path):
        if isinstance(node, Repeat):
            frames[node.path] = {"round": 1}
        elif isinstance(node, Catch) and run.path.startswith(f"{node.body.path}/"):
            inside = old.steps.filter(path__startswith=f"{node.body.path}/", visit__lte=run.visit)
            seen = (old.frames or {}).get(node.path)
            first = inside.order_by("started_at", "id").first() or run
            before = seen["data"] if seen else codec.dumps(first.input)
            frames[node.path] = {"data": before, "visit": 1}
    return frames
