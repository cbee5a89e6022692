"""The base class of all REST views: authentication, permissions, audit origin, serialising."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from durable.doors import access
from durable.rest.base import bodies, permissions, throttles
from durable.rest.base.bodies import JSONBody
from durable.rest.base.pagination import Keep, Order, page_of
from durable.rest.base.problems import problem_of
from durable.rest.base.shown import Reveals
from durable.rest.schema import openapi
from durable.rest.schema.operations import Operation
from durable.storage.audit import origin

LONGEST_ORIGIN = 200


class Chunks(Request):
    """A request whose body may come in chunks: REST framework reads none without a length."""

    _stream: Any

    def _load_stream(self) -> None:
        super()._load_stream()  # type: ignore[misc]  # the stubs lack it
        if self._stream is None and (body := bodies.without_length(self._request)):
            self._stream = BytesIO(body)


class View(APIView):
    """JSON for known users; the audit trail records the door and address of each change."""

    operations: ClassVar[Mapping[str, Operation]] = {}
    any_query: ClassVar[bool] = False  # whether parameters that the view does not know are let pass
    renderer_classes = (JSONRenderer,)
    parser_classes: Sequence[Any] = (JSONBody,)
    metadata_class = None  # OPTIONS would tell more than the schema does
    schema = openapi.inspector()

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer the request; its changes are audited with ``origin``."""
        token = origin.set(self.origin(request)[:LONGEST_ORIGIN])
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            origin.reset(token)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """REST framework's request, which can read a body sent in chunks."""
        return Chunks(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def origin(self, request: Any) -> str:
        """The origin of a change in the audit trail: this door and the client's address."""
        return f"rest {request.META.get('REMOTE_ADDR', '')}".strip()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check authentication, permissions and rates; then refuse unknown query parameters."""
        super().initial(request, *args, **kwargs)
        operation = self.operation(request)
        if operation is not None and not self.any_query:
            known = {*operation.query, api_settings.URL_FORMAT_OVERRIDE}
            unknown = sorted(set(request.query_params) - known)
            if unknown:
                raise ValidationError({name: ["There is no such parameter."] for name in unknown})

    def operation(self, request: Request) -> Operation | None:
        """The operation of the request's method; ``None`` if this address has no such method."""
        return self.operations.get("GET" if request.method == "HEAD" else str(request.method))

    @classmethod
    def authenticators(cls) -> Sequence[type[BaseAuthentication]]:
        """The authentication classes of the project."""
        found: Sequence[Any] = api_settings.DEFAULT_AUTHENTICATION_CLASSES
        return found

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [found() for found in self.authenticators()]

    def get_permissions(self) -> list[Any]:
        found: list[BasePermission] = [permissions.IsKnown(), *permissions.of_project()]
        return found

    def get_throttles(self) -> list[BaseThrottle]:
        projects: Sequence[Any] = api_settings.DEFAULT_THROTTLE_CLASSES
        return [found() for found in (*projects, throttles.All, throttles.Writes)]

    def get_exception_handler(self) -> Callable[..., Response | None]:
        return problem_of

    # -- object permissions of the project ------------------------------------------------------

    def checked(self, row: Any) -> Any:
        """The row; raises ``PermissionDenied`` if the project's object permissions refuse it."""
        for target in permissions.objects_of([row]) if permissions.of_project() else ():
            if target is not None:
                self.check_object_permissions(self.request, target)
        return row

    def permitted(self, rows: list[Any]) -> list[Any]:
        """The rows that the project's object permissions let the user see."""
        if not permissions.of_project():
            return rows
        asked = zip(rows, permissions.objects_of(rows), strict=True)
        return [row for row, target in asked if target is None or self.permits(target)]

    def permits(self, target: Any) -> bool:
        """Whether the project's object permissions let the user see this object."""
        return all(
            one.has_object_permission(self.request, self, target)
            for one in permissions.of_project()
        )

    # -- what views answer with -----------------------------------------------------------------

    def reveals(self, row: Any) -> bool:
        """Whether the user may see the masked values of a row."""
        return access.may(self.request.user, "view_payload", row)

    def shown(self, rows: Any, status: int = 200, *, reveals: Reveals | None = None) -> Any:
        """One row or a list as JSON, by this operation's serializer for ``status``."""
        operation = self.operation(self.request)
        assert operation is not None
        made = status == 201  # by this very request
        return self.as_json(operation.answers[status], rows, reveals=reveals, made=made)

    def as_json(
        self, serializer: Any, rows: Any, *, reveals: Reveals | None = None, made: bool = False
    ) -> Any:
        """The same by the given serializer.

        Here the project's object permissions are asked about each row (unless this request has just
        made it): a list leaves refused rows out, a single refused row is a 403.
        """
        if not made:
            rows = self.permitted(rows) if isinstance(rows, list) else self.checked(rows)
        context = {"request": self.request, "reveals": reveals or self.reveals}
        return serializer(rows, many=isinstance(rows, list), context=context).data

    def listed(
        self,
        request: Request,
        rows: QuerySet[Any],
        order: Order,
        serializer: Any,
        *,
        reveals: Reveals | None = None,
        keep: Keep | None = None,
    ) -> Response:
        """The requested page of a list."""
        page = page_of(request, rows, order, keep)
        return page.answer(request, self.as_json(serializer, page.rows, reveals=reveals))
