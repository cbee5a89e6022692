"""System checks of ``DURABLE``, its database, and workflows, with hints for each fault."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import router

from durable import conf
from durable.authoring.parse import registry
from durable.authoring.parse.advice import workflow_warnings

TAG = "durable"

UNKNOWN_SETTING = "durable.E001"
NOT_A_DICT = "durable.E002"
WRONG_VALUE = "durable.E003"
UNKNOWN_QUEUE_OPTION = "durable.E004"
UNKNOWN_DATABASE = "durable.E005"
UNSUPPORTED_DATABASE = "durable.E006"
SQLITE_NOT_IMMEDIATE = "durable.W010"
OTHER_DATABASES = "durable.W011"
SCHEDULE_TWICE = "durable.E012"
CRONTAB_WITHOUT_APP = "durable.W013"
CRONTAB_WITHOUT_JOBS = "durable.W014"
CRONTAB_MISSING = "durable.W015"
NO_TIME_ZONES = "durable.E016"
SHIFTED_TIMES = "durable.E017"
POOL_TOO_SMALL = "durable.W018"
NO_ROUTER = "durable.E019"


# -- the allowed values of each setting: a test, and its description ---------------------------


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


LONGEST = timedelta(days=365_000)  # a thousand years from now, or ago, fit every calendar


def _is_duration(value: object) -> bool:
    if isinstance(value, timedelta):
        return timedelta(0) < value <= LONGEST
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 < value <= LONGEST.total_seconds()
    )


def _is_level(value: object) -> bool:
    return (
        value is None
        or value is False
        or (isinstance(value, str) and value in logging.getLevelNamesMapping())
    )


def _is_list_of_str(value: object) -> bool:
    return (
        isinstance(value, Collection)
        and not isinstance(value, str | bytes | Mapping)
        and all(isinstance(item, str) and item for item in value)
    )


def is_list_of_dotted_paths(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and _is_list_of_str(value)
        and all(all(part.isidentifier() for part in path.split(".")) for path in value)
        and all("." in path for path in value)
    )


def _is_web_address(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def is_dict_of_dicts(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and name and isinstance(options, Mapping)
        for name, options in value.items()
    )


DURATION = (
    _is_duration,
    "a positive number of seconds or a positive timedelta (a thousand years at most)",
)
DURATION_OR_NONE = (
    lambda value: value is None or _is_duration(value),
    f"None, {DURATION[1]}",
)
COUNT = (_is_count, "a positive whole number")

ALLOWED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "QUEUES": (
        lambda value: is_dict_of_dicts(value) and bool(value),
        'a dict of queues, such as {"default": {"concurrency": 10}}',
    ),
    "DATABASE": (lambda value: isinstance(value, str), "an alias of DATABASES"),
    "MAX_DATA_BYTES": COUNT,
    "MAX_COLLECTED_BYTES": COUNT,
    "LEASE": DURATION,
    "POLL_INTERVAL": DURATION,
    "SHUTDOWN_GRACE": DURATION,
    "RETENTION": DURATION_OR_NONE,
    "KEEP_EVENTS": DURATION_OR_NONE,
    "WEBHOOKS": (is_dict_of_dicts, 'a dict of sources, such as {"stripe": {"scheme": "stripe"}}'),
    "LOG_CAPTURE": (_is_level, 'the name of a logging level such as "INFO", or None for no logs'),
    "MASK": (_is_list_of_str, 'a list of words in keys, such as ["password", "token"]'),
    "API_PERMISSIONS": (
        is_list_of_dotted_paths,
        'a list of dotted paths, such as ["rest_framework.permissions.IsAdminUser"]',
    ),
    "PUBLIC_URL": (
        lambda value: value is None or _is_web_address(value),
        'None or the site\'s address, such as "https://example.com"',
    ),
}


# -- the checks ----------------------------------------------------------------------------


@register(TAG)
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Check that every key of ``DURABLE`` is known and has an allowed value."""
    value = getattr(settings, "DURABLE", {})
    if not isinstance(value, Mapping):
        return [
            Error(
                f"The setting DURABLE is a dict, not {type(value).__name__}.",
                hint='For example DURABLE = {"QUEUES": {"default": {"concurrency": 10}}}.',
                id=NOT_A_DICT,
            )
        ]
    return [*_unknown_keys(value), *_wrong_values(value), *_wrong_queues(value.get("QUEUES"))]


@register(TAG)
def check_databases(**kwargs: Any) -> list[CheckMessage]:
    """Check that the engine's database exists and suits several workers that write."""
    alias = conf.get("DATABASE")
    if not isinstance(alias, str):
        return []  # check_settings says so
    configured = {name: options for name, options in settings.DATABASES.items() if options}
    if alias not in configured:
        return [
            Error(
                f"DURABLE['DATABASE'] is {alias!r}, which DATABASES doesn't have.",
                hint=_did_you_mean(alias, configured) or "Add it to DATABASES.",
                id=UNKNOWN_DATABASE,
            )
        ]
    return [
        *_wrong_engine(alias, configured[alias]),
        *_wrong_times(alias, configured[alias]),
        *_small_pool(alias, configured[alias]),
        *_lost_users(alias, configured),
        *_other_databases(alias, configured),
    ]


@register(TAG)
def check_workflows(**kwargs: Any) -> list[CheckMessage]:
    """Warn about valid but doubtful workflows: unused steps, branches without a default."""
    return [
        Warning(message, obj=workflow, id=id)
        for workflow in registry.all()
        for id, message in workflow_warnings(workflow)
    ]


@register(TAG)
def check_schedules(**kwargs: Any) -> list[CheckMessage]:
    """Refuse two workflows that declare schedules of one name: only one of them would run."""
    latest = {cls.definition.name: cls for cls in registry.all()}
    found: list[CheckMessage] = []
    first: dict[str | None, type[Any]] = {}
    for workflow in latest.values():
        for schedule in workflow.definition.options.schedules:
            other = first.setdefault(schedule.name, workflow)
            if other is not workflow:
                found.append(
                    Error(
                        f"{other.__qualname__} declares a schedule {schedule.name!r} too.",
                        hint="Give one of them another name.",
                        obj=workflow,
                        id=SCHEDULE_TWICE,
                    )
                )
    return found


@register(TAG)
def check_crontab(**kwargs: Any) -> list[CheckMessage]:
    """Check the setup of django-crontab, which reports no errors of its own."""
    installed = any(
        app == "django_crontab" or app.startswith("django_crontab.")
        for app in settings.INSTALLED_APPS
    )
    calls = {
        str(job[1])
        for job in getattr(settings, "CRONJOBS", None) or ()
        if isinstance(job, list | tuple) and len(job) > 1
    }
    ours = {call for call in calls if call.startswith("durable.crontab.")}
    found: list[CheckMessage] = []
    if ours and not installed:
        found.append(
            Warning(
                "CRONJOBS has jobs of durable, but nothing puts them into the crontab.",
                hint="Add 'django_crontab' to INSTALLED_APPS, then run manage.py crontab add.",
                id=CRONTAB_WITHOUT_APP,
            )
        )
    if installed and "durable.crontab.tick" not in calls:
        found.append(
            Warning(
                "django_crontab is installed, but CRONJOBS does not have durable's jobs.",
                hint="Write CRONJOBS = [*durable.crontab.CRONJOBS, …]; or silence this check, if "
                "a durable_worker runs all the time.",
                id=CRONTAB_WITHOUT_JOBS,
            )
        )
    program = getattr(settings, "CRONTAB_EXECUTABLE", "/usr/bin/crontab")
    if installed and ours and not _can_run(program):
        found.append(
            Warning(
                f"There is no program {program!r}: manage.py crontab add would add nothing, and "
                "end as if all were well.",
                hint="Install cron, or name its crontab in CRONTAB_EXECUTABLE.",
                id=CRONTAB_MISSING,
            )
        )
    return found


def _can_run(command: object) -> bool:
    program = str(command).split()[0] if str(command).split() else ""
    return bool(shutil.which(program)) if program else False


def _unknown_keys(value: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for key in value:
        if key not in conf.DEFAULTS:
            yield Error(
                f"DURABLE has no setting {key!r}.",
                hint=_did_you_mean(str(key).upper(), conf.DEFAULTS)
                or f"Known are {', '.join(sorted(conf.DEFAULTS))}.",
                id=UNKNOWN_SETTING,
            )


def _wrong_values(value: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for key, (is_allowed, words) in ALLOWED.items():
        if key in value and not is_allowed(value[key]):
            yield Error(
                f"DURABLE[{key!r}] is {_shown(value[key])}; it must be {words}.",
                hint=f"Without the key it is {conf.DEFAULTS[key]!r}.",
                id=WRONG_VALUE,
            )


def _wrong_queues(queues: object) -> Iterator[CheckMessage]:
    if not isinstance(queues, Mapping):
        return
    for name, options in queues.items():
        for option, value in options.items() if isinstance(options, Mapping) else ():
            place = f"DURABLE['QUEUES'][{name!r}]"
            if option not in conf.QUEUE_OPTIONS:
                yield Error(
                    f"{place} has no option {option!r}.",
                    hint=_did_you_mean(str(option), conf.QUEUE_OPTIONS)
                    or f"Known: {', '.join(sorted(conf.QUEUE_OPTIONS))}.",
                    id=UNKNOWN_QUEUE_OPTION,
                )
            elif not _is_count(value):
                yield Error(
                    f"{place}[{option!r}] is {_shown(value)}; it must be {COUNT[1]}.",
                    hint=f"Without the option it is {conf.DEFAULT_CONCURRENCY}.",
                    id=WRONG_VALUE,
                )


def _wrong_engine(alias: str, database: Mapping[str, Any]) -> Iterator[CheckMessage]:
    engine = str(database.get("ENGINE", "")).rpartition(".")[2]
    if engine.startswith("sqlite"):
        mode = (database.get("OPTIONS") or {}).get("transaction_mode")
        if str(mode).upper() != "IMMEDIATE":
            yield Warning(
                f"The SQLite database {alias!r} begins its transactions in "
                f"{mode or 'DEFERRED'} mode: workers that write at the same time will fail with "
                f"'database is locked'.",
                hint=f"Set DATABASES[{alias!r}]['OPTIONS']['transaction_mode'] = 'IMMEDIATE'.",
                id=SQLITE_NOT_IMMEDIATE,
            )
    elif engine in ("mysql", "oracle"):
        yield Error(
            f"The database {alias!r} is {engine}; durable works on PostgreSQL and SQLite.",
            hint="Name another alias in DURABLE['DATABASE'].",
            id=UNSUPPORTED_DATABASE,
        )


def _wrong_times(alias: str, database: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if not settings.USE_TZ:
        yield Error(
            "USE_TZ is False: durable compares instants, and can't compare times without a zone.",
            hint="Set USE_TZ = True (Django's default); Django's documentation on time zones says "
            "how to bring the times of your own tables along.",
            id=NO_TIME_ZONES,
        )
    engine = str(database.get("ENGINE", "")).rpartition(".")[2]
    zone = database.get("TIME_ZONE")
    if engine.startswith("sqlite") and zone not in (None, "UTC"):
        yield Error(
            f"DATABASES[{alias!r}]['TIME_ZONE'] is {zone!r}: SQLite would store durable's times in "
            "that zone, while its own clock tells UTC, so that everything is due hours off.",
            hint="Remove it (times are then stored in UTC), or name another alias in "
            "DURABLE['DATABASE'].",
            id=SHIFTED_TIMES,
        )


def _small_pool(alias: str, database: Mapping[str, Any]) -> Iterator[CheckMessage]:
    shortage = conf.pool_shortage(database.get("OPTIONS") or {})
    if shortage is not None:
        yield Warning(
            "The pool of the database {!r} has {} connections; a worker with these queues uses up "
            "to {}: steps would wait for each other's connections.".format(alias, *shortage),
            hint=f"Set DATABASES[{alias!r}]['OPTIONS']['pool'] = {{'max_size': {shortage[1]}}}, or "
            "lower the concurrency in DURABLE['QUEUES'].",
            id=POOL_TOO_SMALL,
        )


def _lost_users(alias: str, configured: Mapping[str, Any]) -> Iterator[CheckMessage]:
    from durable.models import Wait

    users, row = get_user_model(), Wait()
    row._state.db = alias
    theirs = router.db_for_read(users)
    is_reached = router.db_for_read(users, instance=row) == theirs
    if theirs in configured and not (is_reached and router.allow_migrate_model(alias, Wait)):
        yield Error(
            f"DURABLE['DATABASE'] is {alias!r}, the users are in {theirs!r}, and no router leads "
            "from one to the other.",
            hint="Add 'durable.routers.DurableRouter' to DATABASE_ROUTERS.",
            id=NO_ROUTER,
        )


def _other_databases(alias: str, configured: Mapping[str, Any]) -> Iterator[CheckMessage]:
    others = sorted(set(configured) - {alias})
    if others:
        yield Warning(
            f"A step is atomic on the database {alias!r} only; what it writes to "
            f"{', '.join(map(repr, others))} is not rolled back with it.",
            hint="Write there in steps with atomic=False, or silence this check.",
            id=OTHER_DATABASES,
        )


def _shown(value: object) -> str:
    """A value for a message; a dict or list, which may hold secrets, is named by its type."""
    if value is None or isinstance(value, str | int | float | timedelta):
        return repr(value)
    return f"of type {type(value).__name__}"


def _did_you_mean(word: str, known: Iterable[str]) -> str | None:
    close = get_close_matches(word, list(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else None
