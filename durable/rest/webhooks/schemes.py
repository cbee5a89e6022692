"""The signature schemes of webhooks: Stripe, GitHub, Standard Webhooks, and plain HMAC."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.datastructures import CaseInsensitiveMapping

from durable.rest.webhooks.templates import Template

ALGORITHMS = ("sha256", "sha384", "sha512")
ENCODINGS = ("hex", "base64")


@dataclass(frozen=True)
class Signed:
    """The parts of a signature header: signed content, signatures, time (seconds) if there is one.

    Signatures are decoded bytes; those that cannot be decoded are left out.
    """

    content: bytes
    signatures: Sequence[bytes]
    algorithm: str = "sha256"
    timestamp: int | None = None


@dataclass(frozen=True)
class HmacOptions:
    """The options of the scheme ``hmac``: headers, prefix, algorithm and encoding."""

    header: str = "X-Signature"
    timestamp_header: str | None = None  # with it, "<timestamp>.<body>" is signed
    prefix: str = ""
    algorithm: str = "sha256"
    encoding: str = "hex"


def _as_sent(headers: Mapping[str, str]) -> Mapping[str, str]:
    return headers


@dataclass(frozen=True)
class Scheme:
    """A scheme: how to read the headers, make a key of a secret, and the default templates.

    ``counters`` are payload fields that differ between two deliveries of one event; ``headers``
    rewrites the headers before anything is read, for schemes whose headers have two names.
    """

    read: Callable[[Mapping[str, str], bytes, HmacOptions], Signed | None]
    key: Callable[[str], bytes]
    defaults: Mapping[str, str] = field(default_factory=dict)
    counters: tuple[str, ...] = ()
    headers: Callable[[Mapping[str, str]], Mapping[str, str]] = _as_sent

    @property
    def event(self) -> Template | None:
        """The template of the event's name in this scheme's webhooks; None if there is none."""
        return Template(self.defaults["event"]) if "event" in self.defaults else None


def verified(signed: Signed, keys: Iterable[bytes]) -> bool:
    """Whether a signature fits one of the keys; all are compared, each in constant time."""
    fits = False
    for key in keys:
        expected = hmac.new(key, signed.content, getattr(hashlib, signed.algorithm)).digest()
        for signature in signed.signatures:
            fits |= hmac.compare_digest(expected, signature)
    return fits


# -- reading ---------------------------------------------------------------------------------------


def _stripe(headers: Mapping[str, str], body: bytes, options: HmacOptions) -> Signed | None:
    """``Stripe-Signature: t=1492774577,v1=5257a8…,v1=…``; versions other than v1 are ignored."""
    pairs = [part.strip().partition("=") for part in headers.get("Stripe-Signature", "").split(",")]
    stamps = [value for name, _, value in pairs if name == "t"]
    if len(stamps) != 1 or (moment := _seconds(stamps[0])) is None:
        return None
    signatures = _all(_hex, (value for name, _, value in pairs if name == "v1"))
    return Signed(stamps[0].encode() + b"." + body, signatures, timestamp=moment)


def _github(headers: Mapping[str, str], body: bytes, options: HmacOptions) -> Signed | None:
    """``X-Hub-Signature-256: sha256=…``; without a timestamp."""
    name, _, value = headers.get("X-Hub-Signature-256", "").partition("=")
    return Signed(body, _all(_hex, [value])) if name == "sha256" else None


def _standard(headers: Mapping[str, str], body: bytes, options: HmacOptions) -> Signed | None:
    """Standard Webhooks: ``webhook-signature: v1,<base64> v1,<base64>``."""
    id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    moment = _seconds(stamp)
    if not id or moment is None:
        return None
    pairs = [part.partition(",") for part in headers.get("webhook-signature", "").split()]
    signatures = _all(_base64, (value for version, _, value in pairs if version == "v1"))
    content = f"{id}.{stamp}.".encode("latin-1", "replace") + body
    return Signed(content, signatures, timestamp=moment)


def _also_as_svix(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers of Standard Webhooks under both names, ``webhook-…`` and Svix's ``svix-…``.

    Both names get the values of the family whose signature is checked, so that a template never
    reads an unsigned value.
    """
    parts = ("id", "timestamp", "signature")
    complete = all(headers.get(f"webhook-{part}") for part in parts)
    family = "webhook" if complete or not headers.get("svix-signature") else "svix"
    signed = {part: headers.get(f"{family}-{part}", "") for part in parts}
    both = {f"{name}-{part}": signed[part] for name in ("webhook", "svix") for part in parts}
    return CaseInsensitiveMapping({**headers, **both})


def _hmac(headers: Mapping[str, str], body: bytes, options: HmacOptions) -> Signed | None:
    """One header with the signature; optionally one with a timestamp."""
    text = headers.get(options.header, "").strip()
    if not text or not text.startswith(options.prefix):
        return None
    decode = _hex if options.encoding == "hex" else _base64
    signatures = _all(decode, [text.removeprefix(options.prefix)])
    if options.timestamp_header is None:
        return Signed(body, signatures, options.algorithm)
    stamp = headers.get(options.timestamp_header, "")
    moment = _seconds(stamp)
    if moment is None:
        return None
    return Signed(stamp.encode() + b"." + body, signatures, options.algorithm, moment)


def _seconds(text: str) -> int | None:
    """A Unix time in decimal digits; None for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def _all(decode: Callable[[str], bytes], texts: Iterable[str]) -> list[bytes]:
    found = []
    for text in texts:
        try:
            found.append(decode(text))
        except ValueError:
            continue
    return [signature for signature in found if signature]


def _hex(text: str) -> bytes:
    return binascii.unhexlify(text.encode("ascii"))


def _base64(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii"), validate=True)


# -- keys ------------------------------------------------------------------------------------------


def _as_it_is(secret: str) -> bytes:
    return secret.encode()


def _whsec(secret: str) -> bytes:
    """The key of a Standard Webhooks secret: base64, with or without ``whsec_``; ``ValueError``."""
    key = _base64(secret.removeprefix("whsec_"))
    if not key:
        raise ValueError("an empty secret")
    return key


SCHEMES: Mapping[str, Scheme] = {
    "stripe": Scheme(
        _stripe, _as_it_is, {"event": "type", "id": "id"}, counters=("pending_webhooks",)
    ),
    "github": Scheme(
        _github,
        _as_it_is,
        {"event": "header:X-GitHub-Event", "id": "header:X-GitHub-Delivery"},
    ),
    "standard": Scheme(
        _standard, _whsec, {"event": "type", "id": "header:webhook-id"}, headers=_also_as_svix
    ),
    "hmac": Scheme(_hmac, _as_it_is),
}
