"""Who may see, act and answer: Django's permissions, narrowed by the project's policies."""

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

#: Django's permission for each action.
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


#: The columns of an execution that may be large; lists leave them in the database.
LARGE = ("input", "data", "base", "outcome", "frames", "error", "progress")

PORTION = 500  # questions checked with the same queries

#: The text given to ``scope_key`` to find the scope: the characters put before it.
KEY = "key"

#: Django's permissions by which a user sees the rows of a model, as in its admin.
SEEING = ("view", "change")

#: The reason given to a user whom a policy refuses.
NO_POLICY = "a policy of this site does not allow it"

#: Names that JSON writes without escapes.
PLAIN = re.compile(r"[\w:. @+-]+", re.ASCII)


class AccessDenied(DurableError):
    """This user may not do this, whatever the present state."""


class Policy:
    """A project's own rules besides Django's permissions; name subclasses in ``API_PERMISSIONS``.

    A policy only narrows: every policy must agree, and Django's permissions too. It holds at
    every door: REST, the admin, links.
    """

    def executions(self, user: Any, executions: ExecutionQuerySet) -> ExecutionQuerySet:
        """The rows of ``executions`` (roots and children) that exist at all for ``user``."""
        return executions

    def allows(self, user: Any, action: str, target: Any) -> bool:
        """Whether ``user`` may do ``action`` (a key of ``PERMISSIONS``) with ``target``.

        The target is an ``Execution``, a ``Wait``, a ``Schedule``, a ``Worker``, the name of a
        queue, a workflow class (for a start, also by a schedule, an event or a rerun), or ``None``.
        Two more actions: ``carry_key`` with a key as ``scope_key`` has made it (to start an
        execution with this key, or publish an event under it), and ``reassign_to`` with a user, a
        group or a permission (to put a question to them).
        """
        return True

    def scope_key(self, user: Any, key: str) -> str:
        """Put the user's tenant before the key, so that tenants don't share keys.

        All keys that a user gives are stored like this: correlation keys, idempotency keys, ids of
        published events; so are the keys that the user's executions and their children get later.
        """
        return key

    def tags(self, user: Any) -> dict[str, Any]:
        """The tags of everything that ``user`` starts; they win over requested tags."""
        return {}


RULES = (Policy, BasePermission)  # BasePermission gives | a meaning of its own


def tags_of(user: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The tags of an execution that ``user`` starts: ``asked``, overridden by the policies."""
    tags = dict(asked)
    for policy in policies():
        tags.update(policy.tags(user))
    return tags


def scope_of(user: Any) -> str:
    """The policies' scope before the user's keys; ``DurableError`` for any other change."""
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
    """Raise ``AccessDenied`` unless the policies let the user use the key."""
    if not all(policy.allows(user, "carry_key", key) for policy in policies()):
        raise AccessDenied(f"{user.get_username()} may not use the key {key!r}: {NO_POLICY}")


def agrees(user: Any, action: str, target: Any) -> bool:
    """Whether every policy agrees, Django's permissions aside."""
    return all(policy.allows(user, action, target) for policy in policies())


def require_consent(user: Any, action: str, target: Any) -> None:
    """Raise ``AccessDenied`` unless the workflow and the policies agree, Django's permission aside.

    For actions that have another permission of Django's: users who may manage schedules may
    start the workflows of schedules.
    """
    if target is not None and not _agreed(user, action, target):
        name = target.definition.name
        raise AccessDenied(f"{user.get_username()} may not {action} {name}: {NO_POLICY}")


def sees_rows(user: Any, model: Any) -> bool:
    """Whether Django's permissions let the user see the rows of a project's model."""
    names = [f"{model._meta.app_label}.{verb}_{model._meta.model_name}" for verb in SEEING]
    return any(user.has_perm(name) for name in names)


def require_sight(user: Any, model: Any) -> None:
    """Raise ``AccessDenied`` unless the user may see the rows of the model."""
    if not sees_rows(user, model):
        label = model._meta.label_lower
        raise AccessDenied(f"{user.get_username()} may not see which {label} there are")


def policies() -> list[Policy]:
    """The policies among ``API_PERMISSIONS``."""
    return [found() for found in configured() if issubclass(found, Policy)]


def configured() -> list[type[Any]]:
    """The classes named in ``API_PERMISSIONS``: policies, and permissions of the REST views.

    Raises ``ImproperlyConfigured`` for any other: no door would ask that class.
    """
    return [known(import_string(path), path) for path in conf.get("API_PERMISSIONS")]


def known(named: Any, path: str) -> type[Any]:
    """The class at a path of ``API_PERMISSIONS``; ``ImproperlyConfigured`` if it is no rule."""
    if isinstance(named, type) and issubclass(named, RULES):
        return named
    raise ImproperlyConfigured(
        f"API_PERMISSIONS: {path} is neither a policy nor a permission class; derive it from "
        "durable.doors.access.Policy, or from REST framework's BasePermission"
    )


def may(user: Any, action: str, target: Any = None) -> bool:
    """Whether the user may do this; inactive users never may."""
    if not who.is_active(user) or not user.has_perm(PERMISSIONS[action]):
        return False
    return _agreed(user, action, target)


def require(user: Any, action: str, target: Any = None) -> None:
    """Raise ``AccessDenied`` unless the user may do this."""
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
    """Why only superusers may act on a target: this process lacks its code. Empty if it is here."""
    lacks = "" if action.startswith("view") else workflows.lacking(target)
    return f"{lacks}, so what its Meta.permissions ask for is not known" if lacks else ""


def allowed(user: Any, action: str, targets: Iterable[T]) -> list[T]:
    """The targets with which the user may do this."""
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
    """The executions (roots and children) that the user may see; others do not exist for them."""
    rows = Execution.objects.roots() if executions is None else executions.there()
    if not who.is_active(user) or not user.has_perm(PERMISSIONS["view"]):
        return rows.none()
    return in_scope(user, rows)


def in_scope(user: Any, rows: ExecutionQuerySet) -> ExecutionQuerySet:
    """The executions that the policies let exist for the user, Django's permissions aside."""
    for policy in policies():
        rows = policy.executions(user, rows)
    return rows


def visible_events(user: Any) -> QuerySet[Event]:
    """The events that the user may see. With policies, only events of executions in their scope."""
    gone = Execution.objects.removed().values("pk")
    rows = Event.objects.exclude(execution__in=gone).order_by("-created_at", "-id")
    if not who.is_active(user) or not user.has_perm("durable.view_event"):
        return rows.none()
    if not policies():
        return rows
    return rows.filter(execution__in=in_scope(user, Execution.objects.roots()).values("pk"))


# -- questions to people ---------------------------------------------------------------------------


def may_answer(user: Any, wait: Wait) -> bool:
    """Whether the user may answer the question now, as an assignee or by permission."""
    return why_not(user, wait) is None


def why_not(user: Any, wait: Wait) -> str | None:
    """Why the user may not answer a question; ``None`` if they may."""
    return refusals(user, [wait]).get(wait.pk)


def answerable(user: Any, waits: Sequence[Wait]) -> list[Wait]:
    """The questions that the user may answer."""
    refused = refusals(user, waits)
    return [wait for wait in waits if wait.pk not in refused]


def refusals(user: Any, waits: Sequence[Wait]) -> dict[UUID, str]:
    """The reasons why the user may not answer, by question id; no entry if they may.

    The one decision for every door: assignees, Django's permission, permissions of the workflow,
    policies of the site. An assignee needs no permission of Django's. The number of queries does
    not depend on the number of questions.
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
    """Whether the user has voted on the question already (of a quorum)."""
    return any(vote["id"] == str(user.pk) for vote in wait.votes or ())


def asked_of(user: Any, waits: WaitQuerySet | None = None, limit: int | None = None) -> list[Wait]:
    """The open questions that the user may answer and has not voted on, the oldest first.

    At most ``limit``; a few queries for each ``PORTION`` of candidates.
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
    """A superset, filtered in SQL, of the questions the user may answer; see ``answerable``."""
    if not who.is_active(user):
        return waits.none()
    rows = waits.open().questions().select_related("execution")
    if policies():
        rows = rows.filter(root_id__in=in_scope(user, Execution.objects.roots()).values("pk"))
    return _perhaps_for(user, rows)


def _in_portions(rows: WaitQuerySet) -> Iterator[list[Wait]]:
    """All rows, without a server-side cursor: a connection pool may not keep one."""
    for begin in count(0, PORTION):
        portion = list(rows[begin : begin + PORTION])
        yield portion
        if len(portion) < PORTION:
            return


def _perhaps_for(user: Any, rows: WaitQuerySet) -> WaitQuerySet:
    """The assignees' part of the superset: texts are searched, so too many rows may match."""
    groups = who.groups_of(user)
    names = [f"user:{user.get_username()}", *(f"group:{name}" for name in groups.values())]
    # JSON would write this name with escapes: search for its kind alone
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
