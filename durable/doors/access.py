"""Who may see and do what: Django's permissions, and the project's own policies over them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, islice
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.module_loading import import_string
from rest_framework.permissions import BasePermission

from durable import clock, conf
from durable.conf import database
from durable.doors import workflows
from durable.errors import DurableError
from durable.models import Event, Execution, Wait
from durable.people import who
from durable.people.question import Question
from durable.storage.sizes import LONGEST_SCOPE

if TYPE_CHECKING:
    from durable.models.execution import ExecutionQuerySet
    from durable.models.wait import WaitQuerySet

__all__ = [
    "AccessDenied",
    "Policy",
]

T = TypeVar("T")

#: What one needs for each action, by the name of Django's permission.
PERMISSIONS = {
    "view": "durable.view_execution",
    "view_payload": "durable.view_payload",
    "view_schedules": "durable.view_schedule",
    "view_queues": "durable.view_queue",
    "view_workers": "durable.view_worker",
    "view_audit": "durable.view_auditentry",
    "start": "durable.add_execution",
    "cancel": "durable.cancel",
    "retry": "durable.retry",
    "rerun": "durable.retry",
    "compensate": "durable.retry",
    "pause": "durable.change_execution",
    "resume": "durable.change_execution",
    "send_event": "durable.send_event",
    "publish_event": "durable.send_event",
    "answer": "durable.approve",
    "reassign": "durable.change_wait",
    "manage_schedules": "durable.manage_schedules",
    "manage_queues": "durable.change_queue",
}


#: The columns of an execution that may be large, and that lists have no use for.
LARGE = ("input", "data", "base", "outcome", "frames", "error", "progress")

PORTION = 500  # questions that are looked at together

#: What ``scope_key`` is tried with: the scope is what it puts before this.
KEY = "key"

#: Django's permissions that let one see the rows of a model, as its admin has it.
SEEING = ("view", "change")

#: Why somebody who is asked may not answer all the same.
NO_POLICY = "a policy of this site does not allow it"

#: Names that stand in JSON as they are.
PLAIN = re.compile(r"[\w:. @+-]+", re.ASCII)


class AccessDenied(DurableError):
    """This person may not do this, whatever the state of things."""


class Policy:
    """What a project adds to Django's permissions; name subclasses in ``API_PERMISSIONS``.

    A policy only narrows: every policy must agree, and Django's permissions too. It holds for
    each door: REST, the admin, links.
    """

    def executions(self, user: Any, executions: ExecutionQuerySet) -> ExecutionQuerySet:
        """Those of ``executions`` (roots and children) that exist at all for ``user``."""
        return executions

    def allows(self, user: Any, action: str, target: Any) -> bool:
        """Whether ``user`` may do ``action`` (a key of ``PERMISSIONS``) with ``target``.

        The target is an ``Execution``, a ``Wait``, a ``Schedule``, a ``Worker``, the name of a
        queue, a workflow class (to start: by a schedule, an event or a rerun, too), or ``None``.
        One more action is ``carry_key``, with a key as ``scope_key`` has made it: to start what
        carries it, or to publish an event under it. Another is ``reassign_to``, with a user, a
        group or a permission: to put a question to them.
        """
        return True

    def scope_key(self, user: Any, key: str) -> str:
        """Put the user's tenant before the key, so that tenants don't share keys.

        So all keys are stored that a user gives: correlation keys, idempotency keys and the ids of
        published events; and each that an execution of the user gets later, with its children.
        """
        return key

    def tags(self, user: Any) -> dict[str, Any]:
        """Tags that everything carries that ``user`` starts; they win over those asked for."""
        return {}


RULES = (Policy, BasePermission)  # BasePermission gives | a meaning of its own


def tags_of(user: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The tags of what ``user`` starts: those asked for, and over them those of the policies."""
    tags = dict(asked)
    for policy in policies():
        tags.update(policy.tags(user))
    return tags


def scope_of(user: Any) -> str:
    """What the policies put before each key of the user's; ``DurableError`` if they do else."""
    text = KEY
    for policy in policies():
        text = policy.scope_key(user, text)
    scope = text.removesuffix(KEY)
    if scope == text or len(scope) > LONGEST_SCOPE:
        raise DurableError(
            f"scope_key of a policy made {text!r} of {KEY!r}: it puts up to {LONGEST_SCOPE} "
            "characters before the key, and changes nothing else"
        )
    return scope


def require_key(user: Any, key: str | None) -> None:
    """``AccessDenied`` unless the policies let the user start what carries the key."""
    if not all(policy.allows(user, "carry_key", key) for policy in policies()):
        raise AccessDenied(f"{user.get_username()} may not use the key {key!r}: {NO_POLICY}")


def agrees(user: Any, action: str, target: Any) -> bool:
    """Whether every policy agrees, Django's permissions aside."""
    return all(policy.allows(user, action, target) for policy in policies())


def require_consent(user: Any, action: str, target: Any) -> None:
    """``AccessDenied`` unless the workflow and the policies agree, Django's permission aside.

    It is asked where another permission stands for the deed: who may manage schedules may start
    what they start.
    """
    if target is not None and not _agreed(user, action, target):
        name = target.definition.name
        raise AccessDenied(f"{user.get_username()} may not {action} {name}: {NO_POLICY}")


def sees_rows(user: Any, model: Any) -> bool:
    """Whether the user may see the rows of a model of the project's, by Django's permissions."""
    names = [f"{model._meta.app_label}.{verb}_{model._meta.model_name}" for verb in SEEING]
    return any(user.has_perm(name) for name in names)


def require_sight(user: Any, model: Any) -> None:
    """``AccessDenied`` unless the user may see the rows of the model."""
    if not sees_rows(user, model):
        label = model._meta.label_lower
        raise AccessDenied(f"{user.get_username()} may not see which {label} there are")


def policies() -> list[Policy]:
    """The project's policies, as ``API_PERMISSIONS`` names them."""
    return [found() for found in configured() if issubclass(found, Policy)]


def configured() -> list[type[Any]]:
    """The classes that ``API_PERMISSIONS`` names: policies, and permissions of the REST views.

    ``ImproperlyConfigured`` for any other: a rule that nobody asks would leave a door open.
    """
    return [known(import_string(path), path) for path in conf.get("API_PERMISSIONS")]


def known(named: Any, path: str) -> type[Any]:
    """The class that a path of ``API_PERMISSIONS`` names; ``ImproperlyConfigured`` if of no use."""
    if isinstance(named, type) and issubclass(named, RULES):
        return named
    raise ImproperlyConfigured(
        f"API_PERMISSIONS: {path} is neither a policy nor a permission class; derive it from "
        "durable.doors.access.Policy, or from REST framework's BasePermission"
    )


def may(user: Any, action: str, target: Any = None) -> bool:
    """Whether the user may do this; nobody inactive ever may."""
    if not who.is_active(user) or not user.has_perm(PERMISSIONS[action]):
        return False
    return _agreed(user, action, target)


def require(user: Any, action: str, target: Any = None) -> None:
    """``AccessDenied`` unless the user may do this."""
    if not may(user, action, target):
        definition = getattr(target, "definition", None)  # a class has no words of its own
        named = definition.name if definition is not None else target
        about = f" with {named}" if target is not None else ""
        takes = f"it takes the permission {PERMISSIONS[action]}, and the consent of every policy"
        raise AccessDenied(
            f"{user.get_username() or 'anonymous'} may not {action.replace('_', ' ')}{about}: "
            + ((user.has_perm(PERMISSIONS[action]) and unknown(action, target)) or takes)
        )


def unknown(action: str, target: Any) -> str:
    """Why only superusers may act on a target whose code this process lacks; empty if it has it."""
    lacks = "" if action.startswith("view") else workflows.lacking(target)
    return f"{lacks}, so what its Meta.permissions ask for is not known" if lacks else ""


def allowed(user: Any, action: str, targets: Iterable[T]) -> list[T]:
    """Those of the targets with which the user may do this."""
    return [target for target in targets if may(user, action, target)]


def _agreed(user: Any, action: str, target: Any) -> bool:
    if not action.startswith("view") and not workflows.lets(user, target):
        return False
    return all(policy.allows(user, action, target) for policy in policies())


# -- executions ------------------------------------------------------------------------------------


def sees(user: Any, root_id: UUID) -> bool:
    """Whether the user may see an execution."""
    return visible(user).filter(pk=root_id).exists()


def visible(user: Any, executions: ExecutionQuerySet | None = None) -> ExecutionQuerySet:
    """The executions (roots and children) that the user may see; the rest doesn't exist."""
    rows = Execution.objects.roots() if executions is None else executions.there()
    if not who.is_active(user) or not user.has_perm(PERMISSIONS["view"]):
        return rows.none()
    return in_scope(user, rows)


def in_scope(user: Any, rows: ExecutionQuerySet) -> ExecutionQuerySet:
    """What the policies leave of these executions, whatever Django's permissions say."""
    for policy in policies():
        rows = policy.executions(user, rows)
    return rows


def visible_events(user: Any) -> QuerySet[Event]:
    """The events that the user may see; published ones have no execution and need no policy's."""
    gone = Execution.objects.removed().values("pk")
    rows = Event.objects.exclude(execution__in=gone).order_by("-created_at", "-id")
    if not who.is_active(user) or not user.has_perm("durable.view_event"):
        return rows.none()
    if not policies():
        return rows
    return rows.filter(execution__in=in_scope(user, Execution.objects.roots()).values("pk"))


# -- questions to people ---------------------------------------------------------------------------


def may_answer(user: Any, wait: Wait) -> bool:
    """Whether the user may answer this question now: named for it, or with the permission."""
    return why_not(user, wait) is None


def why_not(user: Any, wait: Wait) -> str | None:
    """Why the user may not answer a question; ``None`` if they may."""
    return refusals(user, [wait]).get(wait.pk)


def answerable(user: Any, waits: Sequence[Wait]) -> list[Wait]:
    """Those of the questions that the user may answer."""
    refused = refusals(user, waits)
    return [wait for wait in waits if wait.pk not in refused]


def refusals(user: Any, waits: Sequence[Wait]) -> dict[UUID, str]:
    """Why the user may not answer, by the id of each question that they may not answer.

    The one decision for every door: the question's people, Django's permission, permissions of
    the workflow, policies of the site. Whoever is named needs no permission of Django's. There
    are as many statements for all questions as for one.
    """
    if not waits:
        return {}
    roots, now = {wait.root_id for wait in waits}, clock.read(database())
    if policies():
        rows = Execution.objects.filter(pk__in=roots).order_by()
        roots = set(in_scope(user, rows).values_list("pk", flat=True))
    groups = who.groups_of(user)
    found: dict[UUID, str] = {}
    for wait in waits:
        question, open_for = Question.of(wait), now - wait.opened_at
        reason = question.why_not(user, open_for, groups)
        named = wait.assignees or question.adds(user, open_for, groups)
        if reason is None and not named and not user.has_perm(PERMISSIONS["answer"]):
            reason = f"it takes the permission {PERMISSIONS['answer']}"
        if reason is None and wait.root_id not in roots:
            reason = NO_POLICY
        if reason is None and not _agreed(user, "answer", wait):
            reason = unknown("answer", wait) or NO_POLICY
        if reason is not None:
            found[wait.pk] = reason
    return found


def has_voted(user: Any, wait: Wait) -> bool:
    """Whether the user is one of those who have approved already (of a quorum)."""
    return any(vote["id"] == str(user.pk) for vote in wait.votes or ())


def asked_of(user: Any, waits: WaitQuerySet | None = None, limit: int | None = None) -> list[Wait]:
    """The open questions that the user may answer and has not voted on, the oldest first.

    At most ``limit``. There are a few statements for each ``PORTION`` of candidates.
    """
    rows = perhaps_asked_of(user, Wait.objects.all() if waits is None else waits).visible()
    rows = rows.defer(*(f"execution__{name}" for name in LARGE))
    asked = (
        wait
        for portion in _in_portions(rows)
        for wait in answerable(user, portion)
        if not has_voted(user, wait)
    )
    return list(islice(asked, limit))


def perhaps_asked_of(user: Any, waits: WaitQuerySet) -> WaitQuerySet:
    """A superset, filtered in SQL, of what the user may answer: confirm with ``answerable``."""
    if not who.is_active(user):
        return waits.none()
    rows = waits.open().questions().select_related("execution")
    if policies():
        rows = rows.filter(root_id__in=in_scope(user, Execution.objects.roots()).values("pk"))
    return _perhaps_for(user, rows)


def _in_portions(rows: WaitQuerySet) -> Iterator[list[Wait]]:
    """All rows, without a cursor of the server's: a connection pool may not keep those."""
    for begin in count(0, PORTION):
        portion = list(rows[begin : begin + PORTION])
        yield portion
        if len(portion) < PORTION:
            return


def _perhaps_for(user: Any, rows: WaitQuerySet) -> WaitQuerySet:
    """What the database can tell: it lets too many through, never too few."""
    groups = who.groups_of(user)
    names = [f"user:{user.get_username()}", *(f"group:{name}" for name in groups.values())]
    # a name that JSON would write with escapes is looked for by its kind alone
    found = {name if PLAIN.fullmatch(name) else name.partition(":")[0] for name in names}
    named = Q(assignees=[]) if user.has_perm(PERMISSIONS["answer"]) else Q()
    for name in (*found, "perm:"):
        named |= Q(assignees_text__contains=name) | Q(question_text__contains=name)
    for pk in (str(user.pk), *groups):
        named |= Q(people_text__contains=f'"{pk}"' if PLAIN.fullmatch(pk) else '"user:')
    columns = ("assignees", "question", "people")
    texts = {f"{name}_text": Cast(name, TextField()) for name in columns}
    return rows.annotate(**texts).filter(named)


def visible_questions(user: Any, waits: WaitQuerySet | None = None) -> WaitQuerySet:
    """The questions whose executions the user may see."""
    rows: WaitQuerySet = Wait.objects.all() if waits is None else waits
    return rows.questions().filter(root_id__in=visible(user).values("pk"))
