"""System checks of the doors: webhook sources, policies, exposure, and links in mails."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string
from rest_framework.settings import api_settings

from durable import conf
from durable.checks import TAG, is_dict_of_dicts, is_list_of_dotted_paths
from durable.doors.access import known
from durable.rest.base.throttles import All, Webhooks, Writes
from durable.rest.webhooks import sources
from durable.rest.webhooks.sources import LEAST

LINKS_NOT_MOUNTED = "durable.W016"
WRONG_WEBHOOK = "durable.E021"
SECRET_NOT_SET = "durable.W022"  # nosec B105
WRONG_POLICY = "durable.E023"
WEAK_SECRET = "durable.W024"  # nosec B105
REPEATED = "durable.W025"
NOT_ENCRYPTED = "durable.W026"
NO_PROXIES = "durable.W027"

WEBHOOK_HINT = (
    'For example {"scheme": "stripe", "secrets": ["env:STRIPE_SECRET"], "event": "type"}.'
)

REPEATED_HINT = (
    "Add timestamp_header, or an id that is a path in the payload (a header is not signed)."
)
PROXIES_HINT = (
    "Set it to the number of proxies before this site, each of which adds to X-Forwarded-For: 0 if "
    "there is none."
)


@register(TAG)
def check_webhooks(**kwargs: Any) -> list[CheckMessage]:
    """Check that every webhook source has a valid signature scheme and event templates."""
    found = conf.get("WEBHOOKS")
    if not is_dict_of_dicts(found):
        return []  # check_settings says so
    wrong: list[CheckMessage] = []
    for name, options in found.items():
        place = f"DURABLE['WEBHOOKS'][{name!r}]"
        faults = [f"{place}: {fault}." for fault in sources.faults(name, options)]
        wrong += [Error(fault, hint=WEBHOOK_HINT, id=WRONG_WEBHOOK) for fault in faults]
    return wrong


@register(TAG, deploy=True)
def check_secrets(**kwargs: Any) -> list[CheckMessage]:
    """Check that the environment variables with webhook secrets are set (``--deploy``)."""
    found = conf.get("WEBHOOKS")
    if check_webhooks() or not is_dict_of_dicts(found):
        return []
    return [
        Warning(
            f"DURABLE['WEBHOOKS'][{name!r}]: the environment variable {variable} is not set.",
            hint="Set it, or take the secret out.",
            id=SECRET_NOT_SET,
        )
        for name, options in found.items()
        for variable in sources.unset(options)
    ]


@register(TAG)
def check_policies(**kwargs: Any) -> list[CheckMessage]:
    """Check that each of ``API_PERMISSIONS`` can be imported, as a policy or permission class."""
    found = conf.get("API_PERMISSIONS")
    if not is_list_of_dotted_paths(found):
        return []  # check_settings says so
    wrong: list[CheckMessage] = []
    for path in found:
        try:
            named = import_string(path)
        except ImportError as error:
            wrong.append(Error(f"API_PERMISSIONS: {error}.", id=WRONG_POLICY))
            continue
        try:
            known(named, path)
        except ImproperlyConfigured as error:
            wrong.append(Error(f"{error}.", id=WRONG_POLICY))
    return wrong


@register(TAG, deploy=True)
def check_exposure(**kwargs: Any) -> list[CheckMessage]:
    """Warn about settings that are fine in development but unsafe on the internet."""
    wrong: list[CheckMessage] = []
    found = conf.get("WEBHOOKS")
    if is_dict_of_dicts(found) and not check_webhooks():
        for name, options in found.items():
            place = f"DURABLE['WEBHOOKS'][{name!r}]"
            for weak in sources.weak(options):
                hint = f"Take {LEAST} bytes or more at random, as of secrets.token_urlsafe()."
                wrong.append(Warning(f"{place}: {weak}.", hint=hint, id=WEAK_SECRET))
            if sources.can_be_repeated(options):
                words = f"{place}: anyone who saw a webhook can send it again: no time is signed."
                wrong.append(Warning(words, hint=REPEATED_HINT, id=REPEATED))
    address = conf.get("PUBLIC_URL")
    if isinstance(address, str) and address.lower().startswith("http://"):
        words = "DURABLE['PUBLIC_URL'] is http: answer links in mails can be read in transit."
        wrong.append(Warning(words, hint="Serve the site by https.", id=NOT_ENCRYPTED))
    rates = api_settings.DEFAULT_THROTTLE_RATES
    limited = [one.scope for one in (All, Writes, Webhooks) if rates.get(one.scope)]
    if limited and api_settings.NUM_PROXIES is None:
        words = (
            f"REST_FRAMEWORK['NUM_PROXIES'] is not set: a client that sends another "
            f"X-Forwarded-For with each request gets past the rate of {', '.join(limited)}."
        )
        wrong.append(Warning(words, hint=PROXIES_HINT, id=NO_PROXIES))
    return wrong


@register(TAG)
def check_links(**kwargs: Any) -> list[CheckMessage]:
    """Check that the pages behind the links in mails exist, if mails are on."""
    if conf.get("PUBLIC_URL") is None:
        return []
    try:
        reverse("durable:answer", args=["token"])
    except NoReverseMatch:
        return [
            Warning(
                "DURABLE['PUBLIC_URL'] switches mails on, but the page that their links lead to "
                "has no address: no mail can be sent.",
                hint='Add path("durable/", include("durable.urls")) to the URLs of the project.',
                id=LINKS_NOT_MOUNTED,
            )
        ]
    return []
