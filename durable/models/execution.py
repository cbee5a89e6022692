"""The tables of executions and of their correlation keys, with the queries for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from durable import clock
from durable.models.base import EngineManager, EngineQuerySet
from durable.models.execution_indexes import INDEXES
from durable.models.fields import DataField, HasTag, MomentField, uuid7
from durable.models.given import Among
from durable.models.landings import Landings
from durable.models.role import PARTS, Role
from durable.models.step_run import StepRun
from durable.states import FINAL, UNFINISHED, Status

#: the statuses in which a worker may hold a row
HELD = (Status.RUNNING, Status.COMPENSATING)


class ExecutionQuerySet(Landings["Execution"]):
    """Queries for executions; the updates of their status are ``Landings``."""

    def roots(self) -> Self:
        """Executions with an address of their own: no branches and items."""
        return self.filter(role__in=(Role.ROOT, Role.CHILD))

    def there(self) -> Self:
        """All executions but those marked for removal, which no door shows."""
        return self.exclude(role=Role.REMOVED)

    def removed(self) -> Self:
        """Executions marked for removal; their parts are found through them."""
        return self.filter(role=Role.REMOVED).order_by()

    def light(self) -> Self:
        """Defer the columns that may be large."""
        return self.defer("input", "data", "base", "outcome", "frames", "error", "progress")

    def trees(self, roots: Iterable[UUID]) -> Self:
        """These executions (roots or children), with their branches and items."""
        ids = list(roots)
        return self.filter(Q(pk__in=ids) | (Q(root_id__in=ids) & ~Q(role=Role.ROOT)))

    def unfinished(self) -> Self:
        """Executions without a final status."""
        return self.filter(status__in=UNFINISHED)

    def held_by(self, execution_id: Any, fence: Any) -> Self:
        """The row held under this fence; no row once another claim has superseded it."""
        return self.filter(pk=execution_id, status__in=HELD, worker__isnull=False, fence=fence)

    def standing_by(self) -> Self:
        """Rows without a worker that are parked in a wait, or stand anywhere in a rollback."""
        parked = Q(status=Status.WAITING) | Q(status=Status.COMPENSATING, worker__isnull=True)
        return self.filter(parked)

    def of_block(self, parent: Any, path: Any, visit: Any) -> Self:
        """The branches or items of one visit of a block."""
        return self.filter(
            parent=parent,
            parent_path=path,
            parent_visit=visit,
            role__in=PARTS,
        )

    def blocked_parts(self, root_id: UUID) -> Self:
        """The blocked branches and items of an execution; they have no address to retry them by."""
        parts = self.filter(root_id=root_id, role__in=PARTS)
        return parts.filter(status=Status.BLOCKED)

    def unreported(self) -> Self:
        """Executions that ended, or gave up a turn, without their parent knowing."""
        return self.filter(unreported=True)

    def ready(self, queue: Any, kinds: Any) -> Self:
        """The executions that a worker may claim now, in the order of claims."""
        rows = self.filter(Among("kind", kinds), queue=queue, ready_at__isnull=False)
        return rows.order_by("rank", "ready_at", "id")

    def sleepers_due(self) -> Self:
        """Sleeping executions whose time has come."""
        return self.filter(wake_at__lte=clock.now()).order_by("wake_at")

    def with_tags(self, tags: dict[str, Any]) -> Self:
        """Executions with all of these tags."""
        return self.filter(*(HasTag(name, value) for name, value in tags.items()))


ExecutionManager = EngineManager.from_queryset(ExecutionQuerySet)


class Execution(models.Model):
    """One run of a workflow; branches, items and children are executions with a parent.

    Due work is found by two partial indexes: ``ready_at`` is set while a worker may claim the
    row, ``wake_at`` while it sleeps until then; neither is set in a row that runs, is paused,
    blocked or final.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workflow = models.CharField(max_length=200)
    version = models.PositiveIntegerField(default=1)
    kind = models.CharField(max_length=220)  # name@version; its worker must have this code
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PENDING)

    # the tree
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.ROOT)
    root_id = models.UUIDField(editable=False)
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="children", db_index=False
    )
    former_parent = models.UUIDField(null=True, blank=True)  # a parent that was removed earlier
    parent_path = models.CharField(max_length=1000, blank=True, default="")
    parent_visit = models.PositiveIntegerField(default=0)
    index = models.PositiveIntegerField(null=True, blank=True)
    branch = models.CharField(max_length=200, blank=True, default="")
    awaited = models.BooleanField(default=False)  # the parent waits for the end
    cancelled_with_parent = models.BooleanField(default=False, db_default=False)
    unreported = models.BooleanField(default=False)  # the parent must look at this row
    released = models.BooleanField(default=True)  # False: an item without a turn
    rerun_of = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="reruns", db_index=False
    )

    # due work
    queue = models.CharField(max_length=100, default="default")
    home_queue = models.CharField(max_length=100, default="default")  # of steps without their own
    rank = models.IntegerField(default=0)  # minus the priority, so that one index orders both
    ready_at = MomentField(null=True, blank=True)
    wake_at = MomentField(null=True, blank=True)
    resume_at = models.DateTimeField(null=True, blank=True)  # while paused: the old due time
    fence = models.PositiveBigIntegerField(default=0)
    worker = models.UUIDField(null=True, blank=True)

    # the position
    path = models.CharField(max_length=1000, blank=True, default="")
    visit = models.PositiveIntegerField(default=1)
    attempt = models.PositiveIntegerField(default=1)
    attempt_floor = models.PositiveIntegerField(default=0)  # attempts before an operator's retry
    recoveries = models.PositiveIntegerField(default=0)  # workers that died in this attempt's step
    journaled = models.BooleanField(default=False)  # this visit has waits or records
    last_completed_at = models.DateTimeField(null=True, blank=True)

    # data
    input = DataField(null=True, blank=True)
    data = DataField(null=True, blank=True)
    base = DataField(null=True, blank=True)  # of an item in sequence: the data it started with
    outcome = DataField(null=True, blank=True)  # of an item: its changes, or its value
    frames = DataField(null=True, blank=True)  # state of the loops and catches around the position
    error = DataField(null=True, blank=True)
    progress = DataField(null=True, blank=True)
    tags = models.JSONField(default=dict, blank=True)
    scope = models.CharField(  # the prefix of its correlation keys, and of its children's
        max_length=100, blank=True, default="", db_default=""
    )
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    subject_type = models.CharField(max_length=150, blank=True, default="")
    subject_id = models.CharField(max_length=255, blank=True, default="")

    # requests from outside, and the reason of a block
    pause_requested = models.BooleanField(default=False)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_reason = models.TextField(blank=True, default="")
    cancel_compensate = models.BooleanField(default=False)
    blocked_by = models.CharField(
        max_length=10, blank=True, default=""
    )  # what is missing: a "worker", "code", or the code of a "child"

    # times
    created_at = MomentField(editable=False)
    scheduled_at = MomentField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deadline_at = MomentField(null=True, blank=True)

    objects = ExecutionManager()

    created: bool = True  # False if ``start`` returned an existing execution for its key

    class Meta:
        verbose_name = _("execution")
        verbose_name_plural = _("executions")
        base_manager_name = "objects"
        ordering = ("-created_at", "-id")
        permissions = (
            ("approve", _("Can answer questions to people")),
            ("cancel", _("Can cancel executions")),
            ("retry", _("Can retry executions")),
            ("send_event", _("Can send events")),
            ("view_payload", _("Can see masked values")),
            ("manage_schedules", _("Can manage schedules")),
        )
        indexes = INDEXES
        constraints = (
            models.UniqueConstraint(
                fields=("workflow", "idempotency_key"),
                name="durable_exec_once_per_key",
                condition=Q(idempotency_key__isnull=False),
            ),
            models.UniqueConstraint(
                fields=("parent", "parent_path", "parent_visit", "branch", "index"),
                name="durable_exec_once_per_place",
                condition=Q(role__in=PARTS),
            ),
            models.CheckConstraint(
                condition=Q(status__in=list(Status)), name="durable_exec_status_known"
            ),
            models.CheckConstraint(
                condition=(
                    Q(status__in=(Status.RUNNING, Status.COMPENSATING)) | Q(worker__isnull=True)
                )
                & (~Q(status=Status.RUNNING) | Q(worker__isnull=False)),
                name="durable_exec_running_is_held",
            ),
            models.CheckConstraint(
                condition=~Q(
                    status__in=(
                        Status.RUNNING,
                        Status.PAUSED,
                        Status.BLOCKED,
                        *sorted(FINAL),
                    )
                )
                | (Q(ready_at__isnull=True) & Q(wake_at__isnull=True)),
                name="durable_exec_due_only_if_it_may_run",
            ),
            models.CheckConstraint(
                condition=(Q(status__in=sorted(FINAL)) & Q(finished_at__isnull=False))
                | (~Q(status__in=sorted(FINAL)) & Q(finished_at__isnull=True)),
                name="durable_exec_final_is_finished",
            ),
            # refuses a landing that forgets a column
            models.CheckConstraint(
                condition=(Q(status=Status.BLOCKED) | Q(blocked_by=""))
                & (Q(status=Status.PAUSED) | Q(resume_at__isnull=True))
                & (
                    Q(status__in=(Status.PENDING, Status.RUNNING, Status.WAITING))
                    | Q(pause_requested=False)
                )
                & (Q(status__in=(Status.PENDING, Status.RUNNING)) | Q(released=True)),
                name="durable_exec_life_fits_status",
            ),
            models.CheckConstraint(
                condition=Q(role__in=(Role.ROOT, Role.REMOVED)) | Q(parent__isnull=False),
                name="durable_exec_child_has_parent",
            ),
            models.CheckConstraint(
                condition=Q(cancelled_with_parent=False) | Q(role=Role.CHILD, awaited=False),
                name="durable_exec_cancelled_with_parent",
            ),
        )

    def __str__(self) -> str:
        return f"{self.workflow} {self.id}"

    @property
    def started_by(self) -> UUID | None:
        """The id of the execution that started this one, even if that was removed."""
        return self.parent_id or self.former_parent

    @property
    def priority(self) -> int:
        """The priority; higher goes first."""
        return -self.rank

    @property
    def is_finished(self) -> bool:
        """Whether the status is final."""
        return Status(self.status) in FINAL

    @property
    def result(self) -> Any:
        """The final data of a completed execution, otherwise ``None``."""
        return self.data if self.status == Status.COMPLETED else None

    @property
    def steps(self) -> models.QuerySet[StepRun]:
        """The attempts of its own steps, in order; a running one is on this row (``path``)."""
        return self.steps_and_compensations.filter(compensation=False)

    @property
    def compensations(self) -> models.QuerySet[StepRun]:
        """The attempts of compensations, in order, of this execution and all it awaited.

        Awaited are its branches and items, and the children of ``call_workflow``.
        """
        below = Execution.objects.filter(awaited=True)
        tree, level = [self.pk], [self.pk]
        if self.role in (Role.ROOT, Role.CHILD):
            while level:
                parents = Execution.objects.trees(level)
                below_them = below.filter(parent__in=parents.values("pk"), role=Role.CHILD)
                level = list(below_them.values_list("pk", flat=True))
                tree += level
            where = Q(execution__in=Execution.objects.trees(tree).order_by().values("pk"))
        else:
            where = Q(execution=self.pk)
        return StepRun.objects.filter(where, compensation=True)

    @property
    def block_progress(self) -> dict[str, int] | None:
        """The number of branches or items of the current block by status, and in total.

        ``None`` outside of a block; counted on each read, so that items share no row.
        """
        parts = Execution.objects.of_block(self.pk, self.path, self.visit).order_by()
        counts = dict(parts.values_list("status").annotate(models.Count("pk")))
        return {"total": sum(counts.values()), **counts} if counts else None

    @property
    def subject(self) -> models.Model | None:
        """The model instance that the execution is about, if it still exists."""
        if not self.subject_type:
            return None
        from django.apps import apps

        model: Any = apps.get_model(self.subject_type)
        found: models.Model | None = model._base_manager.filter(pk=self.subject_id).first()
        return found


class CorrelationKeyQuerySet(EngineQuerySet["CorrelationKey"]):
    """Queries for correlation keys."""

    def fresh(self) -> Self:
        """Keys whose mailbox has not been delivered since their execution got them."""
        return self.filter(fresh=True).order_by("id")

    def give(self, carried: Iterable[tuple[UUID, str]]) -> None:
        """Add keys to executions; a key that an execution already has stays unchanged."""
        rows = [CorrelationKey(execution_id=pk, key=key) for pk, key in carried]
        if rows:
            self.bulk_create(rows, ignore_conflicts=True)


CorrelationKeyManager = EngineManager.from_queryset(CorrelationKeyQuerySet)


class CorrelationKey(models.Model):
    """A key under which an execution receives published events."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    execution = models.ForeignKey(Execution, models.CASCADE, related_name="keys")
    key = models.CharField(max_length=255)
    fresh = models.BooleanField(default=True)

    objects = CorrelationKeyManager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("key", "execution"), name="durable_key_once"),
        )
        indexes = (models.Index(fields=("id",), name="durable_key_fresh", condition=Q(fresh=True)),)

    def __str__(self) -> str:
        return self.key
