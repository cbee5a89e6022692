"""The page of all workflows and the page of one: its graph, its last executions, a start form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from durable.authoring.parse import registry
from durable.dashboard.operations import statistics
from durable.dashboard.run import graph
from durable.dashboard.shared.base import Pages, acting, tell
from durable.dashboard.shared.values import JsonField
from durable.doors import access, starting
from durable.doors import names as known
from durable.engine.start.start import StartOptions
from durable.errors import DurableError
from durable.models import Schedule
from durable.showing.characters import visible

KEY_CHARACTERS = 255


class StartForm(forms.Form):
    """The form that starts an execution."""

    input = JsonField(
        label=gettext_lazy("Input (JSON)"),
        required=False,
        initial="{}",
        help_text=gettext_lazy("An object: what the first step gets as its data."),
    )
    tags = JsonField(
        label=gettext_lazy("Tags (JSON)"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text=gettext_lazy('For example {"tenant": "acme"}.'),
    )
    idempotency_key = forms.CharField(
        label=gettext_lazy("Idempotency key"),
        required=False,
        max_length=KEY_CHARACTERS,
        help_text=gettext_lazy("Started again with the same key, it is the same execution."),
    )


def listing(pages: Pages, request: HttpRequest) -> HttpResponse:
    """All workflows that this user may know, each with its last executions."""
    if not pages.has_view_permission(request):
        raise PermissionDenied
    code = registry.all()
    names = sorted({cls.definition.name for cls in code if known.knows(request.user, cls)})
    recent = statistics.recent(request.user, names)
    rows = [
        {
            "name": visible(name),
            "key": name,
            "title": _title(registry.latest(name)),
            "versions": _versions(name),
            "steps": len(registry.latest(name).definition.tree.leaves()),
            "recent": recent.get(name),
        }
        for name in names
    ]
    context = {"workflows": rows, "each": statistics.RECENT}
    return pages.page(request, "workflows.html", _("Workflows"), context)


def respond(pages: Pages, request: HttpRequest, name: str) -> HttpResponse:
    """The page of one workflow; a POST of its form starts an execution."""
    if not pages.has_view_permission(request):
        raise PermissionDenied
    if name not in known.workflows(request.user):
        raise Http404
    cls = _class_of(request, name)
    form = None
    if request.method == "POST":
        if cls is None:
            raise Http404
        form = StartForm(request.POST)
        with acting(request):
            execution = _start(request, cls, form) if form.is_valid() else None
        if execution is not None:
            return HttpResponseRedirect(_after(pages, request, execution))
    elif cls is not None and access.may(request.user, "start", cls):
        form = StartForm()
    recent = statistics.recent(request.user, [name], statistics.RECENT_OF_ONE)
    context = {
        "name": name,
        "definition": cls.definition if cls is not None else None,
        "versions": _versions(name),
        "graph": graph.render_definition(cls) if cls is not None else "",
        "about": visible((cls.__doc__ or "").strip()) if cls is not None else "",
        "recent": recent.get(name),
        "schedules": _schedules(request, name),
        "form": form,
    }
    title = _title(cls) if cls is not None else visible(name)
    return pages.page(request, "workflow.html", title, context)


def _class_of(request: HttpRequest, name: str) -> type[Any] | None:
    """The requested version, else the latest; ``None`` if this process has no code of it."""
    versions = _versions(name)
    wanted = request.GET.get("version", "")
    if not versions:
        return None
    if not wanted:
        return registry.latest(name)
    if not wanted.isdecimal() or int(wanted) not in versions:
        raise Http404
    return registry.get(name, int(wanted))


def _versions(name: str) -> list[int]:
    return sorted(
        (cls.definition.version for cls in registry.all() if cls.definition.name == name),
        reverse=True,
    )


def _title(cls: type[Any]) -> str:
    return visible(capfirst(str(cls.definition.options.verbose_name)))


def _start(request: HttpRequest, cls: type[Any], form: StartForm) -> Any:
    """The new execution, or the one with this key; ``None`` if refused: the form says why."""
    values = form.cleaned_data
    options = StartOptions(
        tags=values["tags"],
        idempotency_key=values["idempotency_key"] or None,
        version=cls.definition.version,
    )
    try:
        return starting.start(request.user, cls, values["input"], options)
    except access.AccessDenied:
        raise
    except DurableError as refusal:
        form.add_error(None, str(refusal))
        return None


def _after(pages: Pages, request: HttpRequest, execution: Any) -> str:
    tell(
        request,
        _("Started.")
        if execution.created
        else _("It was started with this key before: here it is."),
    )
    if access.visible(request.user).filter(pk=execution.pk).exists():
        return pages.link("execution_change", execution.pk)
    return pages.link("workflow", execution.workflow)


def _schedules(request: HttpRequest, name: str) -> list[Schedule]:
    return [
        schedule
        for schedule in Schedule.objects.filter(workflow=name).order_by("name")
        if access.may(request.user, "view_schedules", schedule)
    ]
