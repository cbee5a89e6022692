"""The base class of all pages of the dashboard: access, HTTP methods, audit origin, the time."""

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
    """No adding, changing or deleting of rows: actions go through the engine."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No: the engine makes rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No: the engine changes rows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No: retention removes rows."""
        return False


class OwnLookups(_Admin):
    """Allow only the look-ups of the list's own filters.

    ``ModelAdmin`` allows look-ups of any column: by them a user could find out, character by
    character, a value that is masked on the page.
    """

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Whether one of the list's filters uses this look-up."""
        return any(lookup in _parameters(one) for one in self.list_filter)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list; a value with a NUL, which no column can hold, is an incorrect look-up."""
        asked = request.GET.copy()
        asked.pop(SEARCH_VAR, None)  # the search drops NULs by itself
        if any("\0" in text for name in asked for text in asked.getlist(name)):
            raise IncorrectLookupParameters
        return super().get_changelist_instance(request)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """The rows with all words; none if there are too many words."""
        if words(search_term) is None:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)


def _parameters(list_filter: Any) -> Sequence[str]:
    """The query parameters of a filter, which is a class or the name of a column."""
    if isinstance(list_filter, str):
        return (f"{list_filter}__exact", f"{list_filter}__isnull")
    return (list_filter.parameter_name, *(name for name, *_ in getattr(list_filter, "inputs", ())))


class Pages(LookOnly, OwnLookups):
    """The pages about one model; ``sees`` names the action a user must be allowed to see them.

    ``posted``: the ends of the names of those ``ModelAdmin`` pages that take a POST.
    """

    sees = "view"
    posted: tuple[str, ...] = ()
    actions_on_top = True
    show_full_result_count = False
    list_max_show_all = 0
    preserve_filters = False  # no page of ours returns to a filtered list

    class Media:
        css = {"all": (STYLESHEET,)}
        js = (SCRIPT,)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Users who may see this kind of thing at all; ``get_queryset`` limits the rows."""
        return access.may(request.user, self.sees)

    def get_urls(self) -> list[Any]:
        """The pages of ``ModelAdmin``, limited to GET and HEAD unless they are in ``posted``."""
        urls: list[Any] = super().get_urls()
        for one in urls:
            takes = FORMS if str(one.name).endswith(self.posted) else LOOKS
            one.callback = require_http_methods(takes)(one.callback)
        return urls

    def url(self, route: str, view: View, name: str, takes: Sequence[str] = LOOKS) -> Any:
        """One of our own pages besides those of ``ModelAdmin``; for staff only."""
        page = require_http_methods(takes)(self.admin_site.admin_view(or_404(view)))
        return path(route, page, name=f"durable_{name}")

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """404: changes are in the audit trail, not in the log of Django's admin."""
        raise Http404

    def link(self, name: str, *args: Any) -> str:
        """The address of a page in the same admin site."""
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
    """Raise ``PermissionDenied`` (403) unless the user may do this."""
    if not access.may(request.user, action, target):
        raise PermissionDenied


def allowed(user: Any, action: str, rows: Any) -> Any:
    """The rows (few) with which the policies let the user do this."""
    if not access.policies():
        return rows
    return rows.filter(pk__in=[row.pk for row in rows if access.may(user, action, row)])


@contextmanager
def acting(request: HttpRequest) -> Iterator[None]:
    """Inside, audit entries name the admin as origin, and ``AccessDenied`` becomes a 403."""
    token = origin.set(f"admin {request.META.get('REMOTE_ADDR', '')}".strip())
    try:
        yield
    except access.AccessDenied as denied:
        raise PermissionDenied(str(denied)) from denied
    finally:
        origin.reset(token)


def tell(request: HttpRequest, text: Any, level: int = messages.SUCCESS) -> None:
    """Show a message on the next page."""
    messages.add_message(request, level, text)


def now(request: HttpRequest) -> datetime:
    """The database's time, read once a request."""
    known: datetime | None = getattr(request, "_durable_now", None)
    if known is None:
        known = clock.read(database())
        request._durable_now = known  # type: ignore[attr-defined]
    return known


def as_typed(text: str) -> str:
    """The text with the line ends as typed: browsers post them as CRLF."""
    return text.replace("\r\n", "\n")


def back_to(request: HttpRequest, default: str) -> str:
    """The address in the form's ``next`` if it is on this site, else ``default``."""
    from django.utils.http import url_has_allowed_host_and_scheme

    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if wanted and safe else default
