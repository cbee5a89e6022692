"""The actions on one execution: a button, a page that asks for a reason, and the result."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from durable.dashboard.shared.base import Pages, acting, allow, as_typed, back_to, tell
from durable.doors import access
from durable.doors.actions import ACTIONS, Action
from durable.errors import DurableError
from durable.models import Execution

REASON_CHARACTERS = 2_000
STEPS_TO_CHOOSE = 500

#: the consequences that a page names before a dangerous action
CONSEQUENCES = {
    "cancel": gettext_lazy("It ends without completing; what its steps have done stays done."),
    "cancel_compensate": gettext_lazy(
        "It ends, and the compensations of its completed steps run, the last step first."
    ),
    "compensate": gettext_lazy(
        "The compensations of its completed steps run, the last step first. It can't be "
        "retried afterwards."
    ),
    "retry": gettext_lazy("It continues at the step at which it stands, with fresh attempts."),
    "rerun": gettext_lazy("A new execution starts with the same input; this one stays as it is."),
    "pause": gettext_lazy("It stops at the next checkpoint until it is resumed."),
    "resume": gettext_lazy("It goes on; deadlines that passed meanwhile take effect now."),
}


class OptionsForm(forms.Form):
    """The options of an action: a reason, and the fields below that the action takes."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        required=False,
        max_length=REASON_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Kept in the audit trail."),
    )
    restart_step = forms.BooleanField(
        label=gettext_lazy("Forget what the step has on record"),
        required=False,
        help_text=gettext_lazy("Its waits and the results of run() are asked for anew."),
    )
    from_step = forms.ChoiceField(label=gettext_lazy("Start from"), required=False)

    def __init__(self, action: Action, execution: Execution | None, data: Any = None) -> None:
        super().__init__(data)
        for name in list(self.fields):
            if name not in ("reason", *action.options):
                del self.fields[name]
        if "from_step" in self.fields:
            field: Any = self.fields["from_step"]
            field.choices = [("", _("the beginning, with the input")), *_steps_of(execution)]
            if execution is None:  # of many executions: each starts from its beginning
                del self.fields["from_step"]

    def clean_reason(self) -> str:
        """The reason, with line ends as typed."""
        return as_typed(self.cleaned_data["reason"])

    def options(self) -> dict[str, Any]:
        """The options that were given, as the engine takes them."""
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}


def _steps_of(execution: Execution | None) -> list[tuple[str, str]]:
    if execution is None:
        return []
    paths = execution.steps.order_by("path").values_list("path", flat=True).distinct()
    return [(path, path) for path in paths[:STEPS_TO_CHOOSE]]


def respond(pages: Pages, request: HttpRequest, execution: Execution, name: str) -> HttpResponse:
    """Ask for options and confirmation; run the action once it is posted (and confirmed)."""
    action = ACTIONS.get(name)
    if action is None:
        raise Http404
    here = pages.link("execution_change", execution.pk)
    confirmed = "confirmed" in request.POST or not action.dangerous
    if request.method == "POST" and confirmed:
        form = OptionsForm(action, execution, request.POST)
        if form.is_valid():
            with acting(request):
                done, problem = attempt(action, execution.pk, request.user, form.options())
            if done is not None:
                tell(request, _("%s: done.") % capfirst(str(action.label)))
                if done.pk != execution.pk:
                    here = pages.link("execution_change", done.pk)
                return HttpResponseRedirect(back_to(request, here) if done == execution else here)
            if "confirmed" not in request.POST:
                tell(request, problem, messages.ERROR)
                return HttpResponseRedirect(here)
            form.add_error(None, problem)
    else:
        allow(request, action.permission, execution)
        form = OptionsForm(action, execution)
    return pages.page(
        request,
        "execution/act.html",
        action.label,
        {
            "execution": execution,
            "action": action,
            "form": form,
            "consequence": CONSEQUENCES[action.name],
            "offered": action.offered(execution),
        },
    )


def attempt(
    action: Action, pk: UUID, user: Any, options: dict[str, Any]
) -> tuple[Execution | None, str]:
    """Run the action: the resulting execution, or None and the refusal; raises ``AccessDenied``."""
    execution = Execution.objects.filter(pk=pk).first()
    if execution is None:
        return None, _("It does not exist any more.")
    try:
        return action.run(execution, by=user, options=options), ""
    except access.AccessDenied:
        raise
    except DurableError as refusal:
        return None, str(refusal)
