"""Read a request's body: JSON that can be stored, or the raw bytes of a signed webhook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import parse_qsl

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from durable import codec, conf
from durable.errors import NotSerializable
from durable.rest.base.problems import TooLarge

#: Bytes that a body may have besides the data: names, keys, tags, a comment.
ROOM = 64 * 1024


def largest() -> int:
    """The most bytes that a body may have; never more than Django takes."""
    ours = int(conf.get("MAX_DATA_BYTES")) + ROOM
    djangos: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return ours if djangos is None else min(ours, djangos)


def read(stream: IO[Any] | HttpRequest, context: Mapping[str, Any] | None) -> bytes:
    """The body; raises ``TooLarge`` beyond ``largest()`` and reads no further."""
    limit = largest()
    request = (context or {}).get("request")
    announced = str(request.META.get("CONTENT_LENGTH") or "0") if request is not None else "0"
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > limit:
        raise TooLarge(f"The body has {announced[:20]} bytes; {limit} are taken at most.")
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise TooLarge(f"The body has more than the {limit} bytes that are taken at most.")
    return body


def without_length(request: HttpRequest) -> bytes:
    """The body of a request without a Content-Length (sent in chunks); raises ``TooLarge``.

    A WSGI server sets ``wsgi.input_terminated`` if the body ends by itself; without it a read
    might never end, so nothing is read. Under ASGI the body has arrived already.
    """
    if request.META.get("CONTENT_LENGTH"):
        return b""
    if "wsgi.input" not in request.META:
        return read(request, None)
    if not request.META.get("wsgi.input_terminated"):
        return b""
    return read(request.META["wsgi.input"], None)


def form_field(body: bytes, name: str) -> bytes:
    """The value of a form's field of this name; raises ``ParseError`` unless there is just one."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"), strict_parsing=True, errors="strict", max_num_fields=100
        )
    except ValueError:
        pairs = []
    found = [value for field, value in pairs if field == name]
    if len(found) != 1:
        raise ParseError(f"The body is neither JSON nor a form with one field {name!r}.")
    return found[0].encode()


def parse(body: bytes) -> Any:
    """The JSON value; raises ``ParseError``. Of repeated keys the last one counts."""
    try:
        return json.loads(body.decode(), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise ParseError(f"The body is not UTF-8: {error.reason} at byte {error.start}.") from None
    except RecursionError:
        raise ParseError("The body is nested too deeply.") from None
    except ValueError as error:
        raise ParseError(f"The body is not JSON: {str(error)[:200]}") from None


def check(value: Any) -> None:
    """Raise ``ParseError`` unless each part of the body could be stored, whatever its size."""
    try:
        if not isinstance(value, dict):
            codec.dumps(value, path="body", limit=1 << 40)
            return
        for key, part in value.items():
            codec.dumps(key, path="a name in the body", limit=1 << 40)
            codec.dumps(part, path=key, limit=1 << 40)
    except NotSerializable as error:
        raise ParseError(str(error)) from None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


class JSONBody(BaseParser):
    """JSON that every database can store: no NaN, no NUL, no lone surrogates, not too deep."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The parsed and checked body."""
        value = parse(read(stream, parser_context))
        check(value)
        return value


class RawBody(BaseParser):
    """The raw bytes, whatever the content type."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The body as bytes."""
        return read(stream, parser_context)
