"""The part of an execution's page that reloads itself; 304 while nothing has changed."""

from __future__ import annotations

import hashlib

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.template.loader import render_to_string

from durable.dashboard.run import detail
from durable.dashboard.shared.base import Pages
from durable.models import Execution

TEMPLATE = "admin/durable/execution/body.html"


def respond(pages: Pages, request: HttpRequest, execution: Execution) -> HttpResponse:
    """The fragment with its ``ETag``, or 304; ``X-Durable-Final: 1`` once it will not change."""
    context = {
        **pages.admin_site.each_context(request),
        **detail.context(pages, request, execution),
    }
    request.current_app = pages.admin_site.name
    text = render_to_string(TEMPLATE, context, request)
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    response: HttpResponse
    if request.headers.get("If-None-Match") == tag:
        response = HttpResponseNotModified()
    else:
        response = HttpResponse(text)
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"
    response["X-Durable-Final"] = "1" if execution.is_finished else "0"
    return response
