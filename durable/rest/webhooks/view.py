"""``webhooks/{source}/``: answer 202 once a signed webhook's event is committed, or ignored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotFound
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from durable.rest.base import throttles
from durable.rest.base.bodies import RawBody
from durable.rest.base.view import View
from durable.rest.schema.operations import Operation, Parameter
from durable.rest.webhooks import sources
from durable.rest.webhooks.receive import receive


class AcceptedSerializer(serializers.Serializer[Any]):
    """`accepted`: the event is stored, now or before; `ignored`: no template of the source fits."""

    status = serializers.CharField(help_text="accepted, or ignored")


class AnyAnswer(BaseContentNegotiation):
    """Ignores the Accept header: senders read no more than the status."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        """The only parser, whatever the content type."""
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """The JSON renderer."""
        first = next(iter(renderers))
        return first, first.media_type


class Webhook(View):
    """Webhooks of one source, authenticated by their signature."""

    operations = {
        "POST": Operation(
            "webhook",
            "Take a webhook in",
            {202: AcceptedSerializer},
            takes=dict,
            parameters=(Parameter("source", "A source of WEBHOOKS.", place="path"),),
            problems=(404, 422),
        )
    }
    any_query = True  # some senders add a query to the address: it is ignored
    parser_classes = (RawBody,)
    content_negotiation_class = AnyAnswer

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """The view outside of ATOMIC_REQUESTS: 202 promises that the event is committed."""
        view: Any = super().as_view(**initkwargs)
        view._non_atomic_requests = set(connections)
        return view

    @classmethod
    def authenticators(cls) -> Sequence[type[BaseAuthentication]]:
        """None: ``post`` checks the signature over the body."""
        return ()

    def get_permissions(self) -> list[Any]:
        return []

    def get_throttles(self) -> list[BaseThrottle]:
        return [throttles.Webhooks()]

    def get_authenticate_header(self, request: Request) -> str:
        """The scheme that a 401 names in ``WWW-Authenticate``."""
        return "Signature"

    def origin(self, request: Any) -> str:
        """The origin in the audit trail: the name of the source."""
        return f"webhook {self.kwargs.get('source', '')}"

    def post(self, request: Request, source: str) -> Response:
        """202 for a new, a repeated and an ignored webhook alike."""
        found = sources.find(source)
        if found is None:
            raise NotFound()
        body: Any = request.data
        if not isinstance(body, bytes) or not body:
            raise AuthenticationFailed("There is no body.")
        return Response({"status": receive(found, request.headers, body)}, 202)
