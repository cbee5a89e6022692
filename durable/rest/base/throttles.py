"""Rate limits of the REST door, by scope; without a rate in the settings there is no limit."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from durable import conf

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class _Scoped(SimpleRateThrottle):
    """The rate of ``scope`` in ``DEFAULT_THROTTLE_RATES``; without one, no limit."""

    def get_rate(self) -> Any:
        return api_settings.DEFAULT_THROTTLE_RATES.get(str(self.scope))

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """One count for each user; for anonymous requests one for each address."""
        pk = getattr(request.user, "pk", None)
        ident = f"user-{pk}" if pk is not None else self.get_ident(request)
        return self.cache_format % {"scope": self.scope, "ident": ident}


class All(_Scoped):
    """Every request: the scope ``durable``."""

    scope = "durable"


class Writes(_Scoped):
    """Requests that change something: the scope ``durable_write``."""

    scope = "durable_write"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """Count the request unless it only reads."""
        return None if request.method in READING else super().get_cache_key(request, view)


class Webhooks(_Scoped):
    """Webhooks, by source and address: the scope ``durable_webhook``."""

    scope = "durable_webhook"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """One count for each source and address; unknown sources share one count."""
        name = view.kwargs.get("source")
        source = name if name in conf.get("WEBHOOKS") else ""
        ident = f"{source}-{self.get_ident(request)}"
        return self.cache_format % {"scope": self.scope, "ident": ident}
