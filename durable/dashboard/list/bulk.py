"""Actions on many executions: a page that asks for confirmation, then one message per refusal."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from durable.dashboard.run.acts import CONSEQUENCES, OptionsForm, attempt
from durable.dashboard.shared import shown
from durable.dashboard.shared.base import Pages, acting, tell
from durable.doors import access
from durable.doors.actions import ACTIONS, Action

AT_ONCE = 500  # Django takes no form of more than a thousand fields
REFUSALS_TOLD = 10
ROWS_SHOWN = 20

#: the actions on many executions, in the order of the menu
OFFERED = ("cancel", "cancel_compensate", "retry", "pause", "resume", "rerun")


def may_use(user: Any, action: Action) -> bool:
    """Whether to offer the action at all; each execution is checked again when its turn comes."""
    return bool(user.has_perm(access.PERMISSIONS[action.permission]))


def respond(pages: Pages, request: HttpRequest, rows: Any, everything: Any) -> HttpResponse:
    """Ask for confirmation about the chosen ``rows``, or (confirmed) run the action on them.

    ``everything``: the rows of the filtered list, for "select all".
    """
    names = [name for name in request.POST.getlist("action") if name]
    action = ACTIONS.get(names[0]) if names else None
    if action is None or action.name not in OFFERED:
        tell(request, _("No action selected."), messages.WARNING)
        return HttpResponseRedirect(request.get_full_path())
    if not may_use(request.user, action):
        raise PermissionDenied
    chosen = _chosen(request, rows, everything)
    if not chosen or len(chosen) > AT_ONCE:
        problem = (
            _("Nothing is selected.")
            if not chosen
            else _("At most %d executions at once: narrow the list down.") % AT_ONCE
        )
        tell(request, problem, messages.WARNING)
        return HttpResponseRedirect(request.get_full_path())
    form = OptionsForm(action, None, request.POST if "confirmed" in request.POST else None)
    if form.is_bound and form.is_valid():
        with acting(request):
            _run(request, action, chosen, form.options())
        return HttpResponseRedirect(request.get_full_path())
    return pages.page(
        request,
        "execution/act_on_many.html",
        action.label,
        {
            "action": action,
            "form": form,
            "consequence": CONSEQUENCES[action.name],
            "chosen": chosen,
            "first": list(rows.filter(pk__in=chosen[:ROWS_SHOWN])),
            "more": max(0, len(chosen) - ROWS_SHOWN),
            "checkbox": ACTION_CHECKBOX_NAME,
        },
    )


def _chosen(request: HttpRequest, rows: Any, everything: Any) -> list[UUID]:
    """The ids of the chosen executions, without those that this user may not see."""
    if request.POST.get("select_across") == "1" and "confirmed" not in request.POST:
        return list(everything.values_list("pk", flat=True)[: AT_ONCE + 1])
    wanted = []
    for text in request.POST.getlist(ACTION_CHECKBOX_NAME)[: AT_ONCE + 1]:
        try:
            wanted.append(UUID(text))
        except ValueError:
            continue
    return list(rows.filter(pk__in=wanted).values_list("pk", flat=True))


def _run(request: HttpRequest, action: Action, chosen: list[UUID], options: Any) -> None:
    """Run the action on one execution after the other, each in its own transaction; then report."""
    done, refused = 0, []
    for pk in chosen:
        try:
            execution, problem = attempt(action, pk, request.user, options)
        except access.AccessDenied as denied:
            execution, problem = None, str(denied)
        if execution is None:
            refused.append((pk, problem))
        else:
            done += 1
    if done:
        told = ngettext("%(n)d execution: %(done)s.", "%(n)d executions: %(done)s.", done)
        tell(request, told % {"n": done, "done": action.done})
    for pk, problem in refused[:REFUSALS_TOLD]:
        tell(request, f"{shown.short(pk)}: {capfirst(problem)}", messages.WARNING)
    if len(refused) > REFUSALS_TOLD:
        more = len(refused) - REFUSALS_TOLD
        told = ngettext("%d more was refused.", "%d more were refused.", more)
        tell(request, told % more, messages.WARNING)


def choices() -> list[Action]:
    """The actions on many executions, in the order of the menu."""
    return [ACTIONS[name] for name in OFFERED]
