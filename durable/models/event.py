"""The tables of events: in an execution's inbox, or published to the mailbox of a key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from durable import clock, conf
from durable.models.base import EngineManager, EngineQuerySet
from durable.models.execution import Execution
from durable.models.fields import DataField, MomentField, uuid7
from durable.models.wait import Wait
from durable.states import EventStatus


def kept_for() -> timedelta | None:
    """``KEEP_EVENTS``: how long events wait for an execution; ``None``: for ever."""
    return None if conf.get("KEEP_EVENTS") is None else conf.duration("KEEP_EVENTS")


class EventQuerySet(EngineQuerySet["Event"]):
    """Queries for events, and the updates of their status."""

    def in_order(self) -> Self:
        """First sent, first delivered."""
        return self.order_by("created_at", "id")

    def pending(self) -> Self:
        """Events committed by the sender and not yet handled by the engine."""
        return self.filter(status=EventStatus.PENDING)

    def over(self) -> Self:
        """Published events past their time, which nobody receives any more.

        That time is ``KEEP_EVENTS``, unless the event was published with ``keep``. A pending event
        is delivered first, however late.
        """
        return self.over_after(kept_for())

    def over_after(self, keep: timedelta | None) -> Self:
        """``over`` with another ``KEEP_EVENTS``."""
        rows = self.filter(execution__isnull=True).exclude(status=EventStatus.PENDING)
        time = Q(expires_at__lte=clock.now())
        if keep is not None:
            time |= Q(expires_at__isnull=True, created_at__lte=clock.now() + -keep)
        return rows.filter(time)

    def inbox(self, root_id: UUID) -> Self:
        """The events that an execution has received and no wait has consumed."""
        return self.filter(
            execution=root_id, status__in=(EventStatus.PENDING, EventStatus.KEPT)
        ).in_order()

    def consume(self, wait_id: Any) -> int:
        """Give unconsumed events to one wait; return how many."""
        return self.filter(status__in=(EventStatus.PENDING, EventStatus.KEPT)).update(
            status=EventStatus.CONSUMED, wait=wait_id
        )

    def keep(self) -> int:
        """Keep pending events for a future wait (or a future execution)."""
        return self.pending().update(status=EventStatus.KEPT)

    def pass_on(self) -> int:
        """Mark published events as copied to inboxes."""
        return self.filter(status__in=(EventStatus.PENDING, EventStatus.KEPT)).update(
            status=EventStatus.DELIVERED
        )


EventManager = EngineManager.from_queryset(EventQuerySet)


class Event(models.Model):
    """An event in an execution's inbox, or (without execution) in the mailbox of its key."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    execution = models.ForeignKey(
        Execution, models.CASCADE, null=True, blank=True, related_name="events"
    )
    name = models.CharField(max_length=255)
    key = models.CharField(max_length=255, blank=True, default="")
    event_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    payload = DataField(null=True, blank=True)
    status = models.CharField(
        max_length=10, choices=EventStatus.choices, default=EventStatus.PENDING
    )
    wait = models.ForeignKey(Wait, models.SET_NULL, null=True, blank=True, related_name="consumed")
    source = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="copies"
    )
    # the publisher's, inherited by the executions that the event triggers
    tags = models.JSONField(default=dict, db_default={}, blank=True)
    scope = models.CharField(max_length=100, blank=True, default="", db_default="")
    created_at = MomentField(editable=False)
    expires_at = MomentField(null=True, blank=True)  # None: after KEEP_EVENTS

    objects = EventManager()
    created: bool = True

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        base_manager_name = "objects"
        ordering = ("created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("execution", "event_id"),
                name="durable_event_once_per_execution",
                condition=Q(event_id__isnull=False, execution__isnull=False),
            ),
            models.UniqueConstraint(
                fields=("event_id",),
                name="durable_event_once_published",
                condition=Q(event_id__isnull=False, execution__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(status__in=list(EventStatus)), name="durable_event_status_known"
            ),
        )
        indexes = (
            models.Index(
                fields=("created_at",),
                name="durable_event_pending",
                condition=Q(status=EventStatus.PENDING),
            ),
            models.Index(
                fields=("execution", "created_at", "id"),
                name="durable_event_inbox",
                condition=Q(status__in=(EventStatus.PENDING, EventStatus.KEPT)),
            ),
            models.Index(
                fields=("created_at",),
                name="durable_event_published",
                condition=Q(execution__isnull=True),
            ),
            models.Index(
                fields=("expires_at",),
                name="durable_event_expires",
                condition=Q(expires_at__isnull=False),
            ),
            models.Index(
                fields=("key", "created_at"),
                name="durable_event_mailbox",
                condition=Q(execution__isnull=True, status=EventStatus.KEPT),
            ),
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.status}"


class Mailbox(models.Model):
    """A row to lock while events are matched with the executions that carry their key."""

    key = models.CharField(max_length=255, primary_key=True)

    objects = EngineManager()

    class Meta:
        verbose_name_plural = _("mailboxes")

    def __str__(self) -> str:
        return self.key
