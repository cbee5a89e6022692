"""The tables of waits, questions included, and of records (results of ``run``, child ids)."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.db.models import Case, Q, Value, When
from django.utils.translation import gettext_lazy as _

from durable import clock
from durable.models.base import EngineManager, EngineQuerySet, user_key
from durable.models.execution import Execution
from durable.models.fields import DataField, MomentField, uuid7
from durable.models.given import Among
from durable.states import WaitKind, WaitStatus

_TIMERS = [kind for kind in WaitKind if kind.is_answered_by_time]


class WaitQuerySet(EngineQuerySet["Wait"]):
    """Queries for waits, and the only update that resolves them."""

    def open(self) -> Self:
        """Waits without an outcome."""
        return self.filter(status=WaitStatus.OPEN)

    def visible(self) -> Self:
        """Waits in the order in which they were opened."""
        return self.order_by("opened_at", "id")

    def of_visit(self, execution_id: Any, path: Any, visit: Any) -> Self:
        """The waits of one visit of one step."""
        return self.filter(execution=execution_id, path=path, visit=visit)

    def untold(self) -> Self:
        """Answered waits whose execution has not been told."""
        return self.filter(told=False).exclude(status=WaitStatus.OPEN).order_by("resolved_at", "id")

    def questions(self) -> Self:
        """Questions: waits for people."""
        return self.filter(kind=WaitKind.INPUT)

    def overdue(self) -> Self:
        """Open questions past their due time."""
        return self.open().filter(due_at__lte=clock.now())

    def to_tell(self) -> Self:
        """Open questions with a due notice."""
        return self.open().filter(notice_at__lte=clock.now()).order_by("notice_at", "id")

    def expired(self) -> Self:
        """Open waits whose deadline has passed."""
        return self.open().filter(deadline_at__lte=clock.now())

    def expire(self) -> int:
        """Resolve waits past their deadline: timers as answered, others as timed out."""
        return self.expired().update(
            status=Case(
                When(kind__in=_TIMERS, then=Value(WaitStatus.ANSWERED)),
                default=Value(WaitStatus.TIMED_OUT),
            ),
            resolved_at=clock.now(),
        )

    def resolve(self, outcome: WaitStatus, *, told: bool = True, **changes: Any) -> int:
        """Resolve open waits with an outcome, once; return how many."""
        return self.open().update(status=outcome, told=told, resolved_at=clock.now(), **changes)

    def reopen(self) -> None:
        """Reopen waits for children that continue, with their original timeouts from now."""
        for wait in self.only("opened_at", "deadline_at"):
            again: Any = wait.deadline_at
            if again is not None:
                again = clock.now() + (wait.deadline_at - wait.opened_at)
            self.filter(pk=wait.pk).update(
                status=WaitStatus.OPEN,
                told=True,
                resolved_at=None,
                received=None,
                opened_at=clock.now(),
                deadline_at=again,
            )

    def tell(self, executions: Any) -> int:
        """Mark the waits of these executions as told."""
        return self.untold().filter(Among("execution_id", executions)).order_by().update(told=True)


WaitManager = EngineManager.from_queryset(WaitQuerySet)


class Wait(models.Model):
    """A timer, an event, a person's input or a child that a step waits for."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    execution = models.ForeignKey(
        Execution,
        models.CASCADE,
        related_name="waits",
        db_index=False,  # durable_wait_once_per_place begins with it
    )
    root_id = models.UUIDField(editable=False)
    path = models.CharField(max_length=1000)
    visit = models.PositiveIntegerField(default=1)
    kind = models.CharField(max_length=8, choices=WaitKind.choices)
    name = models.CharField(max_length=500)
    ordinal = models.PositiveIntegerField(default=0)
    names = models.JSONField(default=list, blank=True)  # names of the accepted events
    key = models.CharField(max_length=255, blank=True, default="")
    status = models.CharField(max_length=10, choices=WaitStatus.choices, default=WaitStatus.OPEN)
    told = models.BooleanField(default=True)  # False: answered, the execution is still parked
    opened_at = MomentField(editable=False)
    deadline_at = MomentField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    answer = DataField(null=True, blank=True)
    received = DataField(null=True, blank=True)  # of "all": the payloads that arrived so far
    child = models.ForeignKey(
        Execution, models.SET_NULL, null=True, blank=True, related_name="awaited_by"
    )

    # of a question to people
    question = DataField(null=True, blank=True)
    assignees = models.JSONField(default=list, blank=True)
    exclude = models.JSONField(default=list, blank=True)
    people = models.JSONField(null=True, blank=True)  # their ids: see ``people/who.py``
    due_at = models.DateTimeField(null=True, blank=True)
    notice_at = MomentField(null=True, blank=True)  # time of the next notice
    notice = DataField(null=True, blank=True)  # the next notice: see ``people/notices.py``
    votes = DataField(null=True, blank=True)  # [{"by", "id", "decision", "comment", "at"}]
    vote_count = models.PositiveIntegerField(default=0)
    by = user_key()
    by_name = models.CharField(max_length=255, blank=True, default="")
    comment = models.TextField(blank=True, default="")

    objects = WaitManager()

    class Meta:
        verbose_name = _("wait")
        verbose_name_plural = _("waits")
        base_manager_name = "objects"
        ordering = ("opened_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("execution", "path", "visit", "kind", "name", "ordinal"),
                name="durable_wait_once_per_place",
            ),
            models.CheckConstraint(
                condition=(Q(status=WaitStatus.OPEN) & Q(resolved_at__isnull=True) & Q(told=True))
                | (~Q(status=WaitStatus.OPEN) & Q(resolved_at__isnull=False)),
                name="durable_wait_resolved_once",
            ),
        )
        indexes = (
            models.Index(
                fields=("root_id", "kind"),
                name="durable_wait_open",
                condition=Q(status=WaitStatus.OPEN),
            ),
            models.Index(
                fields=("resolved_at",), name="durable_wait_untold", condition=Q(told=False)
            ),
            models.Index(
                fields=("opened_at", "id"),
                name="durable_wait_asked",
                condition=Q(status=WaitStatus.OPEN, kind=WaitKind.INPUT),
            ),
            models.Index(
                fields=("-resolved_at", "-id"),
                name="durable_wait_inputs",
                condition=Q(kind=WaitKind.INPUT),
            ),
            models.Index(
                fields=("notice_at",),
                name="durable_wait_notice",
                condition=Q(status=WaitStatus.OPEN, notice_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.status}"


class Input(Wait):
    """A question to people, as the admin shows it."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("input")
        verbose_name_plural = _("inputs")


class RecordKind(models.TextChoices):
    """The kind of a record."""

    RUN = "run", _("Result of run()")
    START = "start", _("Started workflow")


class Record(models.Model):
    """A stored result of a step's visit: of ``run``, or the id of a started child."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    execution = models.ForeignKey(
        Execution,
        models.CASCADE,
        related_name="records",
        db_index=False,  # durable_record_once_per_place begins with it
    )
    path = models.CharField(max_length=1000)
    visit = models.PositiveIntegerField(default=1)
    kind = models.CharField(max_length=8, choices=RecordKind.choices)
    name = models.CharField(max_length=500)
    ordinal = models.PositiveIntegerField(default=0)
    value = DataField(null=True, blank=True)
    created_at = MomentField(editable=False)

    objects = EngineManager()

    class Meta:
        base_manager_name = "objects"
        ordering = ("created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("execution", "path", "visit", "kind", "name", "ordinal"),
                name="durable_record_once_per_place",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
