"""The filters, the search and the rows of the list of questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.core.paginator import Paginator
from django.db.models import Func, Q, QuerySet, TextField
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from durable import clock
from durable.conf import database
from durable.dashboard.people.input_page import execution_url, subjects
from durable.dashboard.shared.paging import OwnOrder
from durable.doors import access, names
from durable.models import Execution, Input, Wait
from durable.showing.characters import visible
from durable.showing.masking import mask_text
from durable.states import WaitStatus

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator

MOST_ASKED = 1000  # questions in the list "Waiting for me": the oldest
LOOKED_AT = 500  # masked prompts that a search reads
COUNTED = 10_000  # rows counted in a list


def asked_of(request: HttpRequest) -> list[Wait]:
    """The open questions that this user may answer, read once a request."""
    known: list[Wait] | None = getattr(request, "_durable_asked", None)
    if known is None:
        rows: Any = Input.objects.all()
        known = access.asked_of(request.user, rows, MOST_ASKED)
        request._durable_asked = known  # type: ignore[attr-defined]
    return known


class Prompt(Func):
    """The prompt out of a question's JSON: a search reads nothing else of it.

    The rest (metadata) may hold values that are masked for this user.
    """

    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **kwargs: Any) -> Any:
        return self.as_sql(compiler, connection, template="((%(expressions)s)::json ->> 'prompt')")

    def as_sqlite(self, compiler: Any, connection: Any, **kwargs: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="json_extract(%(expressions)s, '$.prompt')"
        )


def asks(user: Any, rows: QuerySet[Any], word: str) -> Q:
    """The questions whose prompt, as this user reads it, contains the word.

    For a user who may not see masked values, a search must not find one: of the questions whose
    prompt contains the word, it masks the newest ``LOOKED_AT`` and searches the masked text.
    """
    if access.may(user, "view_payload") and not access.policies():
        return Q(prompt__icontains=word)
    found = rows.annotate(prompt=Prompt("question")).filter(prompt__icontains=word)
    prompts = found.order_by("-id").values_list("pk", "prompt")[:LOOKED_AT]
    known = word.casefold()
    return Q(pk__in=[pk for pk, prompt in prompts if known in mask_text(prompt).casefold()])


class ShowFilter(SimpleListFilter):
    """The choices of questions to list; the default is "Waiting for me"."""

    title = _("state")
    parameter_name = "show"
    past = ("answered", "by_me")  # newest first
    names: ClassVar[list[tuple[str, Any]]] = [
        ("mine", _("Waiting for me")),
        ("open", _("All open")),
        ("overdue", _("Overdue")),
        ("answered", _("Answered or over")),
        ("by_me", _("Answered by me")),
        ("all", _("All")),
    ]

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, Any]]:
        """The choices."""
        return list(self.names)

    def choices(self, changelist: Any) -> Any:
        """The choices; without one, "Waiting for me" is selected."""
        for lookup, title in self.lookup_choices:
            yield {
                "selected": (self.value() or "mine") == lookup,
                "query_string": changelist.get_query_string({self.parameter_name: lookup}),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The questions of the selected choice."""
        rows: Any = queryset
        chosen = {
            "open": lambda: rows.open(),
            "overdue": lambda: rows.overdue(),
            "answered": lambda: rows.exclude(status=WaitStatus.OPEN),
            "by_me": lambda: rows.filter(by=request.user),
            "all": lambda: rows,
        }.get(self.value() or "")
        mine = [wait.pk for wait in asked_of(request)] if chosen is None else ()
        found: QuerySet[Any] = chosen() if chosen is not None else rows.filter(pk__in=mine)
        return found


class AskingWorkflowFilter(SimpleListFilter):
    """The questions of one workflow."""

    title = _("workflow")
    parameter_name = "workflow"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        """The names of the workflows, and the chosen name even if it is unknown."""
        known = set(names.workflows(request.user))
        chosen = request.GET.get(self.parameter_name)
        return [(name, visible(name)) for name in sorted(known | ({chosen} if chosen else set()))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The questions of the chosen workflow."""
        name = (self.value() or "").replace("\0", "")
        return queryset.filter(execution__workflow=name) if name else queryset


class CappedPaginator(_Paginator):
    """A paginator that counts up to ``COUNTED`` rows."""

    @cached_property
    def count(self) -> int:
        """The number of rows, ``COUNTED`` at most."""
        rows: Any = self.object_list
        return len(rows.order_by().values_list("pk", flat=True)[:COUNTED])


class InputList(OwnOrder):
    """Rows with the subject and address of their execution, and whether this user may answer."""

    def get_results(self, request: HttpRequest) -> None:
        """One query for all executions of a page, and one for each model of their subjects."""
        super().get_results(request)
        if not self.query:  # without a search both counts are the same
            self.full_result_count = self.result_count
        rows: list[Any] = list(self.result_list)
        roots = Execution.objects.filter(pk__in={row.root_id for row in rows})
        known = {root.pk: root for root in roots.defer(*access.LARGE)}
        seen = set(access.visible(request.user, roots).values_list("pk", flat=True))
        about = subjects(known.values(), request.user)
        mine = {wait.pk for wait in asked_of(request)}
        now = clock.read(database())
        for row in rows:
            row.url = execution_url(row.root_id) if row.root_id in seen else ""
            row.subject = about.get(row.root_id, "")
            row.mine = row.pk in mine and row.status == WaitStatus.OPEN
            row.now = now
        self.result_list = rows
