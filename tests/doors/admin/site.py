"""What the tests of the admin share: people in their roles, and a world with one of everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from durable import Data, Fail, Workflow, chain, foreach, hours, parallel, step
from durable.authoring.calendar.cron import Cron
from durable.doors.access import Policy
from durable.engine.calendar import schedules
from durable.engine.operators import queues
from durable.engine.start import send
from durable.engine.start.start import StartOptions, start
from durable.models import AuditEntry, Event, Execution, Queue, Schedule, StepRun, Wait, Worker
from durable.testing import drain

VIEW = ("execution", "schedule", "queue", "worker", "event", "auditentry", "wait")
ROLES: dict[str, tuple[str, ...]] = {
    "nobody": (),
    "viewer": tuple(f"view_{name}" for name in VIEW),
    "approver": ("view_execution", "approve"),
    "operator": (
        *(f"view_{name}" for name in VIEW),
        "add_execution",
        "change_execution",
        "change_queue",
        "cancel",
        "retry",
        "manage_schedules",
        "view_payload",
    ),
}


class OwnTenant(Policy):
    """Everybody sees and does what carries their tenant: the last name of the user."""

    def executions(self, user: Any, executions: Any) -> Any:
        return executions.with_tags({"tenant": user.last_name})

    def allows(self, user: Any, action: str, target: Any) -> bool:
        if isinstance(target, Execution):
            return bool(target.tags.get("tenant") == user.last_name)
        if isinstance(target, Schedule):
            return target.name.startswith(user.last_name)
        if isinstance(target, Worker):
            return False
        return not isinstance(target, str) or target.startswith(user.last_name)

    def tags(self, user: Any) -> dict[str, Any]:
        return {"tenant": user.last_name}


POLICY = {"API_PERMISSIONS": ["tests.doors.admin.site.OwnTenant"]}


def person(role: str, name: str | None = None, *, tenant: str = "") -> User:
    """A member of the staff in one of ``ROLES``, or a superuser."""
    user: User = User.objects.create_user(
        name or role, is_staff=True, is_superuser=role == "superuser", last_name=tenant
    )
    codenames = ROLES.get(role, ())
    permissions = Permission.objects.filter(
        content_type__app_label="durable", codename__in=codenames
    )
    user.user_permissions.set(permissions)
    return user


def browser(user: User | None) -> Client:
    """A browser in which this person is logged in."""
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def page(name: str, *args: Any) -> str:
    """The address of a page of the dashboard."""
    return reverse(f"admin:durable_{name}", args=args)


def flows() -> tuple[type[Workflow], type[Workflow]]:
    """A workflow that ends up asking a person, and one that fails."""

    class Ship(Workflow):
        """Packs, then asks."""

        @step
        def pack(self, data: Data) -> Data:
            return {**data, "packed": True}

        @step
        def weigh(self, data: Data) -> Data:
            return {**data, "weight": 3}

        @step
        def label(self, data: Data, item: Any, index: int) -> Data:
            return data

        @step
        def confirm(self, data: Data) -> Data:
            answer = self.wait_for_approval("boss", prompt="Fine?", timeout=hours(4))
            return {**data, "answer": answer}

        flow = chain(parallel(pack, weigh), foreach("parcels", label), confirm)

    class Break(Workflow):
        @step
        def burst(self, data: Data) -> Data:
            raise Fail("it broke, token=tok-secret", type="Broken", details={"password": "pw-1"})

    return Ship, Break


@dataclass(frozen=True)
class World:
    """One of everything, all of it of the tenant "umbrella"."""

    waiting: Execution
    failed: Execution
    attempt: StepRun
    wait: Wait
    schedule: Schedule
    queue: Queue
    worker: Worker
    event: Event
    entry: AuditEntry


def world(**tags: Any) -> World:
    """Fill the tables by the engine."""
    ship, broken = flows()
    boss = User.objects.create_user("root", is_superuser=True, is_staff=True)
    given = StartOptions(
        tags={"tenant": "umbrella", **tags}, idempotency_key="key-1", keys=["order:1"], by=boss
    )
    waiting = start(ship, {"password": "pw-2", "parcels": [1, 2]}, given)
    failed = start(broken, {"n": 1}, StartOptions(tags={"tenant": "umbrella"}, by=boss))
    drain()
    event = send.send_event(waiting.pk, "note", {"token": "tok-3"}, event_id=None, by=boss)
    cron = Cron(
        "0 9 * * *", name="umbrella-daily", timezone="Europe/Berlin", input={"secret": "pw-4"}
    )
    schedule = schedules.schedule("ship", cron, by=boss)
    queue = queues.limit_queue("umbrella-queue", 3, by=boss)
    waiting.refresh_from_db()
    failed.refresh_from_db()
    worker = Worker.objects.create(
        name="host:1",
        queues=["default"],
        started_at=waiting.created_at,
        heartbeat_at=waiting.created_at,
        expires_at=waiting.created_at + hours(100_000),
    )
    attempt = waiting.steps.first()
    assert attempt is not None
    entry = AuditEntry.objects.filter(execution_id=waiting.pk).first()
    assert entry is not None
    wait = Wait.objects.get(execution=waiting)
    return World(waiting, failed, attempt, wait, schedule, queue, worker, event, entry)


def cells_to_see(w: World) -> list[str]:
    """The address of every page that shows something."""
    pk, failed = w.waiting.pk, w.failed.pk
    models = ("execution", "schedule", "queue", "worker", "event", "auditentry")
    return [
        *(page(f"{model}_changelist") for model in models),
        page("execution_changelist") + "?family=all&tag=a%3Db&subject=a:b&from=x",
        page("worker_changelist") + "?all=1",
        page("overview"),
        page("workflows"),
        page("workflow", "ship"),
        page("execution_change", pk),
        page("execution_live", pk),
        page("execution_raw", pk),
        page("execution_step", pk, w.attempt.pk),
        page("execution_change", failed),
        page("execution_act", pk, "cancel"),
        page("execution_act", failed, "rerun"),
        page("schedule_change", w.schedule.pk),
        page("event_change", w.event.pk),
        page("auditentry_change", w.entry.pk),
        reverse("admin:app_list", args=("durable",)),
    ]
