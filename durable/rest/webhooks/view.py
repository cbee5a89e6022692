"""``webhooks/{source}/``: 202 once the event of a signed webhook is committed, or not asked for."""

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
    """The event is stored, now or before; or it is none of those that its source asks for."""

    status = serializers.CharField(help_text="accepted, or ignored")


class AnyAnswer(BaseContentNegotiation):
    """Senders say all sorts of things about what they accept, and read no more than the status."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        """The bytes, of whatever type."""
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """JSON."""
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
    any_query = True  # some senders add a query to the address: it means nothing
    parser_classes = (RawBody,)
    content_negotiation_class = AnyAnswer

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Out of the transaction of ATOMIC_REQUESTS: 202 says that the event is committed."""
        view: Any = super().as_view(**initkwargs)
        view._non_atomic_requests = set(connections)
        return view

    @classmethod
    def authenticators(cls) -> Sequence[type[BaseAuthentication]]:
        """None: the signature is looked at with the body."""
        return ()

    def get_permissions(self) -> list[Any]:
        return []

    def get_throttles(self) -> list[BaseThrottle]:
        return [throttles.Webhooks()]

    def get_authenticate_header(self, request: Request) -> str:
        """What a 401 names as the way in."""
        return "Signature"

    def origin(self, request: Any) -> str:
        """Which source it was."""
        return f"webhook {self.kwargs.get('source', '')}"

    def post(self, request: Request, source: str) -> Response:
        """202 for a new one, a repeated one and an ignored one alike."""
        found = sources.find(source)
        if found is None:
            raise NotFound()
        body: Any = request.data
        if not isinstance(body, bytes) or not body:
            raise AuthenticationFailed("There is no body.")
        return Response({"status": receive(found, request.headers, body)}, 202)
