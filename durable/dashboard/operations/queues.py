"""The queues in the admin: depth and age of each; an operator pauses, resumes or limits them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from durable.dashboard.shared.base import FORMS, Pages, acting, allow, now, tell
from durable.doors import access
from durable.engine.operators import queues
from durable.errors import DurableError
from durable.models import Worker
from durable.showing.characters import visible

HIGHEST = 2**31 - 1


class QueueForm(forms.Form):
    """The posted action on one queue."""

    name = forms.CharField(max_length=100, strip=False)
    act = forms.ChoiceField(choices=[(one, one) for one in ("pause", "resume", "limit")])
    limit = forms.IntegerField(
        label=gettext_lazy("Limit"), required=False, min_value=1, max_value=HIGHEST
    )


class QueuePages(Pages):
    """One page of all queues: configured in the settings, set by an operator, or in use."""

    sees = "view_queues"

    def get_urls(self) -> list[Any]:
        """A posted action has an address of its own."""
        return [self.url("do/", self.act_view, "queue_act", FORMS), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The page with the queues."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self.page(request, "queues.html", _("Queues"), {"queues": rows(request)})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Redirect to the list: a queue has no page of its own."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(self.link("queue_changelist"))

    def act_view(self, request: HttpRequest) -> HttpResponse:
        """Pause, resume or limit a queue."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        here = HttpResponseRedirect(self.link("queue_changelist"))
        if request.method != "POST":
            return here
        name = request.POST.get("name", "")
        allow(request, "manage_queues", name)
        form = QueueForm(request.POST)
        if not form.is_valid():
            problem = "; ".join(str(error) for errors in form.errors.values() for error in errors)
            tell(request, problem, messages.ERROR)
            return here
        try:
            with acting(request):
                tell(request, act(request.user, **form.cleaned_data))
        except DurableError as refusal:
            tell(request, str(refusal), messages.ERROR)
        return here


def act(user: Any, name: str, act: str, limit: int | None) -> str:
    """Pause, resume or limit the queue; return the message for the user."""
    if act == "pause":
        queues.pause_queue(name, by=user)
        return _("%s is paused: nothing more is claimed from it.") % visible(name)
    if act == "resume":
        queues.resume_queue(name, by=user)
        return _("%s goes on.") % visible(name)
    queues.limit_queue(name, limit, by=user)
    if limit is None:
        return _("%s has no limit any more.") % visible(name)
    return _("%(name)s runs at most %(limit)d at once.") % {"name": visible(name), "limit": limit}


def rows(request: HttpRequest) -> list[dict[str, Any]]:
    """The queues that this user may see, each with the wait of its oldest due execution.

    A queue is deserted if executions are due and no live worker serves it.
    """
    present, user = now(request), request.user
    served = {name for worker in Worker.objects.live() for name in worker.queues}
    return [
        {
            "state": state,
            "lag": present - state.due_since if state.due_since else None,
            "deserted": state.depth > 0 and state.name not in served,
            "may_manage": access.may(user, "manage_queues", state.name),
        }
        for state in queues.states()
        if access.may(user, "view_queues", state.name)
    ]
