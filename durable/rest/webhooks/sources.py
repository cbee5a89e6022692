"""The sources of webhooks in ``DURABLE["WEBHOOKS"]``: read them, and check their options."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from durable import conf
from durable.rest.webhooks.schemes import ALGORITHMS, ENCODINGS, SCHEMES, HmacOptions, Scheme
from durable.rest.webhooks.templates import HEADER, LITERAL, Template

logger = logging.getLogger("durable.webhooks")

ENV = "env:"
LEAST, DIFFERENT = 16, 6  # bytes that a strong secret has, and how many of them differ
NAME = re.compile(r"[\w.-]{1,100}", re.ASCII)
OPTIONS = ("scheme", "secrets", "event", "key", "id", "scope", "tags", "otherwise")
OTHERWISE = ("ignore", "keep", "refuse")
OF_HMAC = ("header", "timestamp_header", "prefix", "algorithm", "encoding")


@dataclass(frozen=True)
class Source:
    """One sender: its scheme, its secrets, and the templates that turn webhooks into events."""

    name: str
    scheme: Scheme
    secrets: tuple[str, ...]
    event: Template
    key: Template | None
    id: Template | None
    scope: Template | None  # the tenant's scope, which stands before key and id
    tags: Mapping[str, Template]  # the tags of the executions that its events start
    hmac: HmacOptions
    otherwise: str  # one of OTHERWISE: the fate of a webhook that fits no template

    def keys(self) -> list[bytes]:
        """The keys that may sign now; a secret whose environment variable is not set gives none."""
        found = []
        for secret in self.secrets:
            value = _value(secret)
            try:
                if value:
                    found.append(self.scheme.key(value))
            except ValueError:
                logger.error("webhook %s: a secret of it is not what its scheme needs", self.name)
        if not found:
            logger.error("webhook %s: none of its secrets is set", self.name)
        return found


def find(name: str) -> Source | None:
    """The source of this name, or None; raises ``ImproperlyConfigured`` for wrong options."""
    options = conf.get("WEBHOOKS").get(name)
    if options is None:
        return None
    for fault in faults(name, options):
        raise ImproperlyConfigured(f"DURABLE['WEBHOOKS'][{name!r}]: {fault}")
    scheme = SCHEMES[options["scheme"]]
    given = {**scheme.defaults, **options}
    return Source(
        name=name,
        scheme=scheme,
        secrets=tuple(options["secrets"]),
        event=Template(given["event"]),
        key=Template(given["key"]) if given.get("key") is not None else None,
        id=Template(given["id"]) if given.get("id") is not None else None,
        scope=Template(given["scope"]) if given.get("scope") is not None else None,
        tags={name: Template(text) for name, text in (given.get("tags") or {}).items()},
        hmac=HmacOptions(**{name: options[name] for name in OF_HMAC if name in options}),
        otherwise=given.get("otherwise", OTHERWISE[0]),
    )


def unset(options: Mapping[str, Any]) -> list[str]:
    """The environment variables named by the source's secrets that are not set."""
    named = [secret for secret in options.get("secrets", ()) if str(secret).startswith(ENV)]
    return [secret.removeprefix(ENV) for secret in named if not _value(secret)]


def _value(secret: str) -> str:
    """The secret itself, or the value of the environment variable it names; empty if blank."""
    value = os.environ.get(secret[len(ENV) :], "") if secret.startswith(ENV) else secret
    return value if value.strip() else ""  # blanks are no secret


def weak(options: Mapping[str, Any]) -> Iterator[str]:
    """Complaints about secrets that are set and easy to guess."""
    scheme = SCHEMES[options["scheme"]]
    for number, secret in enumerate(options["secrets"], 1):
        try:
            key = scheme.key(_value(secret))
        except ValueError:
            continue
        if _value(secret) and (len(key) < LEAST or len(set(key)) < DIFFERENT):
            named = secret if secret.startswith(ENV) else f"secret {number}"
            yield f"{named} is short, or made of few different characters"


def can_be_repeated(options: Mapping[str, Any]) -> bool:
    """Whether a recorded delivery could be sent again: no signed time, and no signed id."""
    if options["scheme"] != "hmac" or options.get("timestamp_header"):
        return False
    return options.get("id") is None or HEADER in options["id"]


# -- what may be wrong -------------------------------------------------------------------------


def faults(name: str, options: Mapping[str, Any]) -> Iterator[str]:
    """The faults in a source's options, in words."""
    if not NAME.fullmatch(name):
        yield "the name of a source is letters, digits, dots, dashes: it is part of an address"
    chosen = options.get("scheme")
    if not isinstance(chosen, str) or chosen not in SCHEMES:
        yield f"scheme is one of {', '.join(SCHEMES)}, not {chosen!r}"
        return
    known = OPTIONS + (OF_HMAC if chosen == "hmac" else ())
    for option in options:
        if option not in known:
            close = get_close_matches(str(option), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
            yield f"there is no option {option!r} of the scheme {chosen!r}: {hint}"
    yield from _wrong_secrets(options.get("secrets"), SCHEMES[chosen])
    yield from _wrong_templates({**SCHEMES[chosen].defaults, **options})
    yield from _wrong_hmac(options)
    if options.get("otherwise", OTHERWISE[0]) not in OTHERWISE:
        yield f"otherwise is one of {', '.join(OTHERWISE)}, not {options['otherwise']!r}"


def _wrong_secrets(secrets: Any, scheme: Scheme) -> Iterator[str]:
    if not isinstance(secrets, Sequence) or isinstance(secrets, str) or not secrets:
        yield 'secrets is a list with at least one, such as ["env:STRIPE_SECRET"]'
        return
    for secret in secrets:
        if not isinstance(secret, str) or not secret.removeprefix(ENV).strip():
            yield "each secret is a text, or env: and the name of an environment variable"
        elif not secret.startswith(ENV):
            try:
                scheme.key(secret)
            except ValueError:
                yield "a secret of this scheme is base64, perhaps after whsec_"


def _wrong_templates(options: Mapping[str, Any]) -> Iterator[str]:
    tags = options.get("tags") or {}
    if not isinstance(tags, Mapping) or not all(isinstance(name, str) and name for name in tags):
        yield "tags is a dict: the name of each tag, and the template of its value"
        tags = {}
    asked = {option: options.get(option) for option in ("event", "key", "id", "scope")}
    for option, text in {
        **asked,
        **{f"tags[{name!r}]": text for name, text in tags.items()},
    }.items():
        if text is None:
            if option == "event":
                yield "event is missing: the path of its name in the payload, or header:… "
            continue
        fault = Template(text).faults() if isinstance(text, str) and text else "it is no text"
        if option == "id" and str(text).startswith(LITERAL):
            fault = "one id for all would store the first webhook only"
        if fault is not None:
            yield f"{option} is wrong: {fault}"


def _wrong_hmac(options: Mapping[str, Any]) -> Iterator[str]:
    for option, choices in (("algorithm", ALGORITHMS), ("encoding", ENCODINGS)):
        if option in options and options[option] not in choices:
            yield f"{option} is one of {', '.join(choices)}, not {options[option]!r}"
    for option in ("header", "timestamp_header"):
        value = options.get(option, "X")
        if value is None and option == "timestamp_header":
            continue
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9-]+", value):
            yield f"{option} is the name of a header, not {value!r}"
    if not isinstance(options.get("prefix", ""), str):
        yield "prefix is a text"
