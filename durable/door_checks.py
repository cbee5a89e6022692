"""System checks of the doors: sources of webhooks, policies, and where links in mails lead."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string
from rest_framework.permissions import BasePermission

from durable import conf
from durable.checks import TAG, is_dict_of_dicts, is_list_of_dotted_paths
from durable.doors.access import Policy
from durable.rest.webhooks import sources

LINKS_NOT_MOUNTED = "durable.W016"
WRONG_WEBHOOK = "durable.E021"
SECRET_NOT_SET = "durable.W022"
WRONG_POLICY = "durable.E023"

# BasePermission gives | a meaning of its own
WEBHOOK_HINT = (
    'For example {"scheme": "stripe", "secrets": ["env:STRIPE_SECRET"], "event": "type"}.'
)

POLICIES = (Policy, BasePermission)  # BasePermission gives | a meaning of its own


@register(TAG)
def check_webhooks(**kwargs: Any) -> list[CheckMessage]:
    """Every source of webhooks says how it signs, and what its webhooks mean."""
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
    """Where webhooks arrive, the environment variables are set that hold their secrets."""
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
    """Each of ``API_PERMISSIONS`` can be imported, and is a policy or a permission class."""
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
        if not isinstance(named, type) or not issubclass(named, POLICIES):
            message = f"API_PERMISSIONS: {path} is neither a policy nor a permission class."
            hint = "Derive it from durable.doors.access.Policy, or from REST framework's "
            wrong.append(Error(message, hint=f"{hint}BasePermission.", id=WRONG_POLICY))
    return wrong


@register(TAG)
def check_links(**kwargs: Any) -> list[CheckMessage]:
    """Where mails are on, the pages exist that their links lead to."""
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
