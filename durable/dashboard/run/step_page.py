"""The page of one attempt of a step, with its values uncut."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse

from durable.dashboard.run import steps
from durable.dashboard.shared.base import Pages
from durable.dashboard.shared.shown import EVERYTHING, Shown
from durable.doors import access
from durable.models import Execution, StepRun
from durable.showing.characters import visible


def respond(pages: Pages, request: HttpRequest, execution: Execution, step: UUID) -> HttpResponse:
    """The page of an attempt in the tree of this execution; 404 for any other attempt."""
    run = StepRun.objects.filter(pk=step).select_related("execution").first()
    if run is None or run.execution.root_id != execution.root_id:
        raise Http404
    shown = Shown(access.may(request.user, "view_payload", execution))
    attempt = steps.full(run, {run.execution_id: visible(run.execution.branch)}, shown, EVERYTHING)
    return pages.page(
        request,
        "execution/step.html",
        attempt.name,
        {"execution": execution, "step": attempt, "worker": run.worker},
    )
