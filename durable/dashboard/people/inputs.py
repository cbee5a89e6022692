"""Questions to people in the admin: the list, and the pages that answer and reassign one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from durable.authoring.self.decision import APPROVED, REJECTED
from durable.dashboard.list import search
from durable.dashboard.people import input_bulk, input_lists
from durable.dashboard.people.input_forms import (
    COMMENT,
    CommentForm,
    ReassignForm,
    answer_form,
    answer_of,
)
from durable.dashboard.people.input_lists import (
    AskingWorkflowFilter,
    CappedPaginator,
    InputList,
    Prompt,
    ShowFilter,
    asked_of,
)
from durable.dashboard.people.input_page import page_of
from durable.dashboard.shared import shown
from durable.dashboard.shared.base import FORMS, SCRIPT, OwnLookups, as_typed, or_404
from durable.doors import access
from durable.errors import (
    AlreadyAnswered,
    DurableError,
    FormMissing,
    InvalidInput,
    NotAllowed,
    WaitNotFound,
)
from durable.models import Input, Wait
from durable.people.question import Question
from durable.people.reach import inputs, words
from durable.showing import times
from durable.showing.characters import visible
from durable.states import WaitStatus
from durable.storage import ids

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Input]
else:
    _Admin = admin.ModelAdmin

STYLESHEETS = ("durable/dashboard.css", "durable/inputs.css")


class InputAdmin(OwnLookups):
    """The questions to people; first those that wait for this user."""

    list_display = ("asks", "buttons", "state", "due", "about")
    list_display_links = None
    list_filter = (ShowFilter, AskingWorkflowFilter)
    list_per_page = 50
    list_max_show_all = 200
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("name",)
    search_help_text = gettext_lazy("By prompt, name, workflow, or the beginning of an id.")
    actions = ("approve", "reject")
    change_list_template = "admin/durable/input/change_list.html"

    class Media:
        css = {"all": STYLESHEETS}
        js = (SCRIPT,)

    # -- access: all staff may open the list; each question is checked by itself ------------------

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the list in the index if the user may see or answer questions, or is asked one."""
        user: Any = request.user
        known = (access.PERMISSIONS["view"], access.PERMISSIONS["answer"])
        return any(user.has_perm(name) for name in known) or bool(asked_of(request))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Any active user may open the list; a single question only if the user may see it."""
        user: Any = request.user
        return bool(user.is_active and (obj is None or inputs.seen_by(user, obj)))

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """The index links to the list if it is shown."""
        shown = self.has_module_permission(request)
        return {"add": False, "change": False, "delete": False, "view": shown}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No: steps ask questions."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No: answers go through the engine."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No: retention removes rows."""
        return False

    # -- the list ------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Input]:
        """The questions that this user may see."""
        rows: Any = inputs.listed(request.user, Input.objects.all(), asked_of(request))
        large = (f"execution__{name}" for name in access.LARGE)
        found: QuerySet[Input] = rows.select_related("execution").defer(*large)
        return found

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[InputList]:
        """A list whose rows know their subject."""
        return InputList

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Leave out the column that is the same for each row of the chosen list."""
        chosen = request.GET.get(ShowFilter.parameter_name, "mine")
        unsaid = {"mine": "state", "answered": "buttons", "by_me": "buttons"}.get(chosen)
        return tuple(name for name in self.list_display if name != unsaid)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, titled after the chosen filter."""
        titles = {name: title for name, title in ShowFilter.names if name != "all"}
        chosen = request.GET.get(ShowFilter.parameter_name, "mine")
        title = titles.get(chosen) or capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Open questions: the oldest first; answered ones: the last answered first."""
        chosen = request.GET.get(ShowFilter.parameter_name)
        if chosen in ShowFilter.past:
            return ("-resolved_at", "-id")
        return ("-id",) if chosen == "all" else ("opened_at", "id")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by prompt, name, workflow, or the beginning of an execution's id."""
        words = search.words(search_term)
        if words is None:
            return queryset.none(), False
        for word in words:
            found = Q(name__icontains=word) | Q(execution__workflow__icontains=word)
            found |= input_lists.asks(request.user, queryset, word)
            if (span := ids.id_range(word)) is not None and len(word) >= ids.SHORTEST:
                found |= Q(root_id__range=span)
            queryset = queryset.annotate(prompt=Prompt("question")).filter(found)
        return queryset, False

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Approve and reject, if the user is asked for an approval."""
        past = request.GET.get(ShowFilter.parameter_name) in ShowFilter.past
        if past or not any(Question.of(wait).is_approval for wait in asked_of(request)):
            return {}
        where = () if action_location is None else (action_location,)  # Django 6.1 passes it on
        found: dict[str, Any] = super().get_actions(request, *where)
        return {name: found[name] for name in ("approve", "reject") if name in found}

    @admin.action(description=gettext_lazy("Approve selected inputs"))
    def approve(self, request: HttpRequest, queryset: QuerySet[Input]) -> HttpResponse:
        """Ask for a comment, then approve the selected questions."""
        return input_bulk.confirm(self, request, APPROVED, queryset)

    @admin.action(description=gettext_lazy("Reject selected inputs"))
    def reject(self, request: HttpRequest, queryset: QuerySet[Input]) -> HttpResponse:
        """Ask for a comment, then reject the selected questions."""
        return input_bulk.confirm(self, request, REJECTED, queryset)

    # -- the columns ---------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("question"))
    def asks(self, row: Any) -> SafeString:
        """The prompt, linked to the question's page; the assignees and the votes."""
        who = ", ".join(words.people_in_words(row.assignees)) or _("anybody who may approve")
        about = [_("for %s") % who]
        quorum = Question.of(row).quorum
        if quorum > 1:
            approved = sum(vote["decision"] == APPROVED for vote in row.votes or ())
            numbers = {"votes": approved, "quorum": quorum}
            about.append(_("%(votes)s of %(quorum)s votes") % numbers)
        return format_html(
            '<a href="{}">{}</a><span class="durable-small">{}</span>',
            self.address("change", row.pk),
            Truncator(words.title(row)).chars(140),
            " · ".join(about),
        )

    @admin.display(description=gettext_lazy("workflow"))
    def about(self, row: Any) -> SafeString:
        """The workflow, linked to the execution if the user may see it, and the subject."""
        name = visible(row.execution.workflow)
        workflow = format_html('<a href="{}">{}</a>', row.url, name) if row.url else name
        return format_html('{}<span class="durable-small">{}</span>', workflow, row.subject)

    @admin.display(description=gettext_lazy("due"), ordering="due_at")
    def due(self, row: Any) -> SafeString:
        """The due time, whether it is over, and the time of asking."""
        opened = format_html(_("asked {}"), shown.moment(row.opened_at, row.now))
        asked = format_html('<span class="durable-small">{}</span>', opened)
        if row.due_at is None:
            return asked
        at = shown.stamped(row.due_at, times.in_words(row.due_at, row.now))
        if words.is_overdue(row, row.now):
            overdue = '{} <strong class="durable-overdue">{}</strong>{}'
            return format_html(overdue, at, _("overdue"), asked)
        return format_html("{}{}", at, asked)

    @admin.display(description=gettext_lazy("state"))
    def state(self, row: Any) -> str:
        """Open, waiting for this user, or the outcome."""
        return words.outcome(row, row.now) or (_("waiting for you") if row.mine else _("open"))

    @admin.display(description=gettext_lazy("answer"))
    def buttons(self, row: Any) -> SafeString | str:
        """Links to the pages that answer, approve or reject; empty if the user may not answer."""
        if not row.mine:
            return ""
        if not Question.of(row).is_approval:
            return format_html(
                '<a class="durable-button" href="{}">{}</a>',
                self.address("change", row.pk),
                _("Answer"),
            )
        return format_html(
            '<span class="durable-buttons"><a class="durable-button durable-yes" href="{}?id={}">{}'
            '</a><a class="durable-button durable-no" href="{}?id={}">{}</a></span>',
            self.address("decide", APPROVED),
            row.pk,
            _("Approve"),
            self.address("decide", REJECTED),
            row.pk,
            _("Reject"),
        )

    # -- the pages -----------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """Only the list and our own pages: no page of ``ModelAdmin`` that writes."""

        def view(page: Any) -> Any:
            return require_http_methods(FORMS)(self.admin_site.admin_view(page))

        return [
            path("", view(self.changelist_view), name="durable_input_changelist"),
            path(
                "decide/<str:decision>/",
                view(or_404(self.decide_view)),
                name="durable_input_decide",
            ),
            path("<uuid:pk>/change/", view(or_404(self.answer_view)), name="durable_input_change"),
            path(
                "<uuid:pk>/reassign/",
                view(or_404(self.reassign_view)),
                name="durable_input_reassign",
            ),
        ]

    def address(self, name: str, *args: Any) -> str:
        """The address of one of these pages."""
        site = self.admin_site.name
        return reverse(f"admin:durable_input_{name}", args=args, current_app=site)

    def found(self, request: HttpRequest, pk: UUID) -> Wait:
        """The question; 404 if there is none, or this user may not see it."""
        rows = Input.objects.filter(pk=pk).questions().select_related("execution")
        wait: Wait | None = rows.first()
        if wait is None or not inputs.seen_by(request.user, wait):
            raise Http404
        return wait

    def render(
        self, request: HttpRequest, template: str, status: int = 200, **context: Any
    ) -> HttpResponse:
        """A page in the frame of the admin."""
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            **context,
        }
        return TemplateResponse(request, f"admin/durable/input/{template}", context, status=status)

    def answer_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The page of one question; a POST records the answer."""
        wait = self.found(request, pk)
        if request.method == "POST":
            return self._answer(request, wait)
        return self.question(request, wait)

    def question(
        self, request: HttpRequest, wait: Wait, status: int = 200, **context: Any
    ) -> HttpResponse:
        """The page of one question; with the form if this user may answer and the form is known."""
        page = page_of(request.user, wait)
        if page.may_answer and page.form_missing:
            status = 409
        elif page.may_answer:
            context.setdefault("form", answer_form(wait, inputs.masking_for(request.user, wait)))
            context.setdefault("comment_form", CommentForm(use_required_attribute=False))
        return self.render(request, "question.html", status, title=page.title, page=page, **context)

    def _answer(self, request: HttpRequest, wait: Wait) -> HttpResponse:
        comment = as_typed(request.POST.get(COMMENT, ""))
        try:
            with inputs.coming_from(request, "admin"):
                answered = inputs.answer(
                    wait.pk, answer_of(wait, request.POST), by=request.user, comment=comment
                )
        except NotAllowed as refusal:
            now = self.found(request, wait.pk)
            return self.question(request, now, 403, refused=_("Not recorded: %s.") % refusal)
        except AlreadyAnswered as refusal:
            now = self.found(request, wait.pk)
            text = words.outcome(now) or str(refusal)
            return self.question(request, now, 409, refused=_("Not recorded: %s.") % text)
        except WaitNotFound:
            raise
        except FormMissing:
            return self.question(request, wait, refused=_("Not recorded."))
        except InvalidInput as refusal:
            masking = inputs.masking_for(request.user, wait)
            form = answer_form(wait, masking, request.POST, refusal.errors)
            refused = _("Not recorded: please look at what is marked below.")
            if form is None:
                refused = _("Not recorded: %s") % refusal
            typed = CommentForm(request.POST, use_required_attribute=False)
            return self.question(request, wait, 422, form=form, comment_form=typed, refused=refused)
        except DurableError as refusal:  # for example a text that can't be stored
            return self.question(request, wait, 422, refused=_("Not recorded: %s") % refusal)
        messages.success(request, f"{words.title(wait)}: {words.done(answered)}")
        return HttpResponseRedirect(self.address("changelist"))

    def decide_view(self, request: HttpRequest, decision: str) -> HttpResponse:
        """Approve or reject the chosen questions: first a page with a comment, then the results."""
        if decision not in (APPROVED, REJECTED):
            raise Http404
        if request.method == "POST":
            return input_bulk.decide(self, request, decision)
        rows = Input.objects.filter(pk__in=input_bulk.chosen(request.GET)).questions()
        return input_bulk.confirm(self, request, decision, rows.select_related("execution"))

    def reassign_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Replace the assignees of an open question."""
        wait = self.found(request, pk)
        if wait.status == WaitStatus.OPEN and not inputs.may_reassign(request.user, wait):
            raise PermissionDenied
        posted = request.POST if request.method == "POST" else None
        form = ReassignForm(wait, posted, by=request.user)
        refused, status = "", 200
        if wait.status != WaitStatus.OPEN:
            refused, status = words.outcome(wait), 409
        elif request.method == "POST" and form.is_valid():
            try:
                with inputs.coming_from(request, "admin"):
                    inputs.reassign(wait.pk, form.cleaned_data["to"], by=request.user)
            except AlreadyAnswered:
                refused, status = words.outcome(self.found(request, pk)), 409
            except (NotAllowed, access.AccessDenied) as refusal:
                raise PermissionDenied(str(refusal)) from refusal
            else:
                to = ", ".join(words.people_in_words(form.cleaned_data["to"]))
                messages.success(request, _("%s: now for %s.") % (words.title(wait), to))
                return HttpResponseRedirect(self._after_reassign(request, wait))
        elif form.errors:
            status = 422
        page = page_of(request.user, wait)
        title = _("Reassign: %s") % page.title
        return self.render(
            request, "reassign.html", status, title=title, page=page, form=form, refused=refused
        )

    def _after_reassign(self, request: HttpRequest, wait: Wait) -> str:
        now = Input.objects.select_related("execution").get(pk=wait.pk)
        seen = inputs.seen_by(request.user, now)
        return self.address("change", wait.pk) if seen else self.address("changelist")
