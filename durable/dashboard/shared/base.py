"""What every page of the dashboard stands on: who may see it, who changes something, the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from durable import clock
from durable.conf import database
from durable.dashboard.list.search import words
from durable.doors import access
from durable.doors.actions import origin
from durable.errors import ExecutionNotFound, WaitNotFound

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = admin.ModelAdmin

View = Callable[..., HttpResponse]

LOOKS = ("GET", "HEAD")
FORMS = (*LOOKS, "POST")

STYLESHEET = "durable/dashboard.css"
SCRIPT = "durable/dashboard.js"


class LookOnly:
    """No adding, no changing, no deleting: what acts goes through the engine."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are made by the engine."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are changed by the engine."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are removed by retention."""
        return False


class OwnLookups(_Admin):
    """A list takes no query but that of its own filters and columns.

    ``ModelAdmin`` takes any look-up of any column: a way to ask, character by character, what is
    masked on the page.
    """

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Whether one of the filters of the list asks so."""
        return any(lookup in _parameters(one) for one in self.list_filter)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list; a value that no column can hold is one of Django's wrong look-ups."""
        asked = request.GET.copy()
        asked.pop(SEARCH_VAR, None)  # words are looked for without such characters
        if any("\0" in text for name in asked for text in asked.getlist(name)):
            raise IncorrectLookupParameters
        return super().get_changelist_instance(request)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Rows with all the words; none for more words than anybody would write."""
        if words(search_term) is None:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)


def _parameters(list_filter: Any) -> Sequence[str]:
    """The query parameters of a filter: a class of its own, or the name of a column."""
    if isinstance(list_filter, str):
        return (f"{list_filter}__exact", f"{list_filter}__isnull")
    return (list_filter.parameter_name, *(name for name, *_ in getattr(list_filter, "inputs", ())))


class Pages(LookOnly, OwnLookups):
    """The pages about one model; ``sees`` is what one must be allowed to, to see any of them.

    ``posted`` are those pages of ``ModelAdmin`` that take a form, by the end of their names.
    """

    sees = "view"
    posted: tuple[str, ...] = ()
    actions_on_top = True
    show_full_result_count = False
    list_max_show_all = 0
    preserve_filters = False  # no page of ours leads back to a list as it was

    class Media:
        css = {"all": (STYLESHEET,)}
        js = (SCRIPT,)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see this kind of thing at all; rows are scoped by ``get_queryset``."""
        return access.may(request.user, self.sees)

    def get_urls(self) -> list[Any]:
        """The pages of ``ModelAdmin``, which would answer any method as they answer GET."""
        urls: list[Any] = super().get_urls()
        for one in urls:
            takes = FORMS if str(one.name).endswith(self.posted) else LOOKS
            one.callback = require_http_methods(takes)(one.callback)
        return urls

    def url(self, route: str, view: View, name: str, takes: Sequence[str] = LOOKS) -> Any:
        """A page of ours beside those of ``ModelAdmin``, for staff only."""
        page = require_http_methods(takes)(self.admin_site.admin_view(or_404(view)))
        return path(route, page, name=f"durable_{name}")

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """404: changes are in the audit trail, and the log of Django's admin has none of them."""
        raise Http404

    def link(self, name: str, *args: Any) -> str:
        """The address of a page of the admin site that this belongs to."""
        return reverse(f"admin:durable_{name}", args=args, current_app=self.admin_site.name)

    def page(
        self, request: HttpRequest, template: str, title: Any, context: Mapping[str, Any]
    ) -> TemplateResponse:
        """A page in the frame of the admin."""
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            f"admin/durable/{template}",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "media": self.media,
                "title": title,
                "now": now(request),
                **context,
            },
        )


def or_404(view: View) -> View:
    """Wrap a view: answer 404 if another transaction removes a row while the page is made."""

    @wraps(view)
    def page(*args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(*args, **kwargs)
        except (ObjectDoesNotExist, ExecutionNotFound, WaitNotFound) as gone:
            raise Http404(str(gone)) from gone

    return page


def allow(request: HttpRequest, action: str, target: Any = None) -> None:
    """403 unless the user may do this."""
    if not access.may(request.user, action, target):
        raise PermissionDenied


def allowed(user: Any, action: str, rows: Any) -> Any:
    """Those of (few) rows with which the policies let the user do this."""
    if not access.policies():
        return rows
    return rows.filter(pk__in=[row.pk for row in rows if access.may(user, action, row)])


@contextmanager
def acting(request: HttpRequest) -> Iterator[None]:
    """Within, what is audited comes from the admin; what the user may not do is a 403."""
    token = origin.set(f"admin {request.META.get('REMOTE_ADDR', '')}".strip())
    try:
        yield
    except access.AccessDenied as denied:
        raise PermissionDenied(str(denied)) from denied
    finally:
        origin.reset(token)


def tell(request: HttpRequest, text: Any, level: int = messages.SUCCESS) -> None:
    """Say something on the next page."""
    messages.add_message(request, level, text)


def now(request: HttpRequest) -> datetime:
    """The present of this request, by the clock of the database: asked once."""
    known: datetime | None = getattr(request, "_durable_now", None)
    if known is None:
        known = clock.read(database())
        request._durable_now = known  # type: ignore[attr-defined]
    return known


def as_typed(text: str) -> str:
    """A text as it was typed: browsers send the ends of its lines as CRLF."""
    return text.replace("\r\n", "\n")


def back_to(request: HttpRequest, default: str) -> str:
    """Where a form wants to return to, if that is a page of this site."""
    from django.utils.http import url_has_allowed_host_and_scheme

    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if wanted and safe else default
