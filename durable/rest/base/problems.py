"""Each exception as a problem document (RFC 9457) with its HTTP status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import (
    ObjectDoesNotExist,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from durable.doors.access import AccessDenied
from durable.errors import (
    AlreadyAnswered,
    AmbiguousWait,
    DurableError,
    ExecutionNotFound,
    FormMissing,
    IdempotencyConflict,
    InvalidInput,
    InvalidTransition,
    NotAllowed,
    ScheduleNotFound,
    WaitNotFound,
)

MEDIA_TYPE = "application/problem+json"

#: The status of each refusal of the engine; any other refusal is a 400.
STATUSES: Mapping[type[DurableError], int] = {
    ExecutionNotFound: 404,
    WaitNotFound: 404,
    ScheduleNotFound: 404,
    AccessDenied: 403,
    NotAllowed: 403,
    AlreadyAnswered: 409,
    AmbiguousWait: 409,
    InvalidTransition: 409,
    IdempotencyConflict: 409,
    FormMissing: 409,
}

#: The meaning of each status, for the OpenAPI document.
MEANINGS: Mapping[int, str] = {
    400: "The request is wrong; `errors` has messages by field.",
    401: "The user is not known.",
    403: "The user may not do this.",
    404: "There is no such thing, or the user may not see it.",
    405: "This address does not take this method.",
    406: "Only application/json is answered.",
    409: "The present state does not allow it; `detail` says why.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "The payload lacks a value that the source's templates name.",
    429: "Too many requests.",
}


class TooLarge(exceptions.APIException):
    """The body has more bytes than ``bodies.largest()``."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is too large."
    default_code = "too_large"


class Unmappable(exceptions.APIException):
    """A signed payload lacks a value that the source's templates name."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_detail = "The payload can't be mapped to an event."
    default_code = "unmappable"


def problem_of(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """The response to an exception of a view; ``None``: our own fault, which Django reports."""
    response: Response | None
    if isinstance(error, DurableError):
        response = _of_engine(error)
    else:
        response = _of_request(_translated(error))
    if response is not None:
        set_rollback()
    return response


def _translated(error: Exception) -> Exception:
    """Django's exceptions as those of REST framework."""
    if isinstance(error, Http404 | ObjectDoesNotExist):  # or another transaction removed the row
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, RequestDataTooBig):
        return TooLarge()
    if isinstance(error, SuspiciousOperation | UnreadablePostError):
        return exceptions.ParseError("The request can't be read.")
    return error


def _of_engine(error: DurableError) -> Response:
    found = (code for kind, code in STATUSES.items() if isinstance(error, kind))
    name = "".join(f"-{c.lower()}" if c.isupper() else c for c in type(error).__name__)
    more: dict[str, Any] = {}
    if isinstance(error, InvalidInput):
        more["errors"] = {str(field): list(texts) for field, texts in error.errors.items()}
    if isinstance(error, AmbiguousWait):
        more["branches"] = [str(branch) for branch in error.branches]
    return _answer(next(found, 400), str(error), type=f"urn:durable:{name.lstrip('-')}", **more)


def _of_request(error: Exception) -> Response | None:
    if not isinstance(error, exceptions.APIException):
        return None
    headers = {}
    if value := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = value
    if value := getattr(error, "wait", None):
        headers["Retry-After"] = str(max(1, round(value)))
    if isinstance(error.detail, list | dict):
        errors: dict[str, list[str]] = {}
        for field, text in _flat(error.detail):
            errors.setdefault(field, []).append(text)
        words = "; ".join(f"{field}: {' '.join(texts)}" for field, texts in errors.items())
        return _answer(error.status_code, words, headers=headers, errors=errors)
    return _answer(error.status_code, str(error.detail), headers=headers)


def _flat(detail: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Each message with the place of its value: ``tags``, ``keys.0``, ``__all__``."""
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            name = "__all__" if key == "non_field_errors" else str(key)
            yield from _flat(inner, f"{place}.{name}" if place else name)
    elif isinstance(detail, list):
        nested = any(isinstance(inner, Mapping | list) for inner in detail)
        for number, inner in enumerate(detail):
            yield from _flat(inner, f"{place}.{number}" if nested else place)
    else:
        yield place or "__all__", str(detail)


def _answer(
    code: int,
    detail: str,
    *,
    type: str = "about:blank",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    body = {"type": type, "title": HTTPStatus(code).phrase, "status": code, "detail": detail}
    return Response(
        _printable({**body, **more}), code, headers=dict(headers or {}), content_type=MEDIA_TYPE
    )


def _printable(value: Any) -> Any:
    """The value with escapes for invalid Unicode."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list) else value
