"""The page of the workers in the admin: their state and the executions they hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from durable.dashboard.shared.base import Pages, allowed, now
from durable.doors import access
from durable.models import Execution, Role, Worker

HELD = 20  # executions listed for one worker
LISTED = 100


class WorkerPages(Pages):
    """One page of the workers that have not stopped; with ``?all`` of the stopped ones too."""

    sees = "view_workers"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The page with the workers."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        everybody = "all" in request.GET
        workers = rows(request, everybody=everybody)
        context = {"workers": workers, "everybody": everybody, "limit": LISTED}
        return self.page(request, "workers.html", _("Workers"), context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Redirect to the list: a worker has no page of its own."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(self.link("worker_changelist"))


def rows(request: HttpRequest, *, everybody: bool) -> list[dict[str, Any]]:
    """The workers, each with the executions it holds, as far as this user may see them."""
    found = Worker.objects.order_by("-started_at")
    if not everybody:
        found = found.filter(stopped_at__isnull=True)
    workers = list(allowed(request.user, "view_workers", found)[:LISTED])
    held = held_by(request.user, [worker.pk for worker in workers])
    present = now(request)
    return [
        {"row": one, "state": state(one, present), "held": held.get(one.pk, [])[:HELD]}
        for one in workers
    ]


def state(worker: Worker, present: datetime) -> tuple[str, str]:
    """The worker's state: the class of its colour, and the word for it."""
    if worker.stopped_at is not None:
        return "off", _("Stopped")
    if worker.expires_at <= present:
        return "dead", _("Not heard from")
    return "alive", _("Alive")


def held_by(user: Any, workers: list[Any]) -> dict[Any, list[Execution]]:
    """The executions held by each worker; branches and items only if their root may be seen."""
    rows = Execution.objects.filter(worker__in=workers).only(
        "workflow", "path", "branch", "index", "role", "root_id", "worker"
    )
    running = list(rows.order_by("id")[: HELD * LISTED])
    known = Execution.objects.filter(pk__in={one.root_id for one in running})
    seen = set(
        access.visible(user, known.filter(role__in=(Role.ROOT, Role.CHILD))).values_list(
            "pk", flat=True
        )
    )
    found: dict[Any, list[Execution]] = {}
    for one in running:
        if one.root_id in seen:
            found.setdefault(one.worker, []).append(one)
    return found
