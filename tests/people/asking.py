"""What the tests of questions to people share: who is who, and workflows that ask them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import Group, Permission, User
from django.test import Client, override_settings
from django.urls import reverse

from durable import Data, Workflow, step
from durable.doors.access import Policy
from durable.models import AuditEntry, Execution, Wait
from durable.testing import run

NOON = datetime(2025, 3, 3, 12, tzinfo=UTC)
PUBLIC = "https://example.com"

XSS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "</textarea><svg onload=alert(1)>",
    "{{ 7|add:7 }}{% now %}",
    "javascript:alert(1)",
)


class ContractForm(forms.Form):
    """A form of a workflow's class."""

    company = forms.CharField()
    seats = forms.IntegerField(min_value=1)
    tags = forms.MultipleChoiceField(choices=[("a", "A"), ("b", "B")], required=False)


class OthersSeeNothing(Policy):
    """Executions exist for the users of their tenant only."""

    def executions(self, user: Any, executions: Any) -> Any:
        return executions.none() if user.get_username() == "tenant" else executions


def define() -> type[Workflow]:
    """A workflow that asks one question of any kind."""

    class Asking(Workflow):
        forms: ClassVar = {"contract": ContractForm}

        @step
        def ask(self, data: Data) -> Data:
            options = {**data["options"]}
            for name in ("due", "remind", "timeout"):
                if name in options:
                    options[name] = timedelta(hours=options[name])
            if "escalate" in options:
                steps = options["escalate"]
                options["escalate"] = [(timedelta(hours=after), who) for after, who in steps]
            call = getattr(self, f"wait_for_{data['kind']}")
            return {**data, "answer": call(data.get("name", "q"), **options)}

    return Asking


PERMISSIONS = {
    "viewer": ["view_execution"],
    "approver": ["approve"],
    "named": [],
    "member": [],
    "excluded": ["approve", "view_execution", "change_wait"],
    "operator": ["view_execution", "change_wait", "cancel"],
    "tenant": ["approve", "view_execution", "change_wait"],
    "outsider": [],
}


class AskingMixin:
    """Users of each role, each with an address, and questions to ask them."""

    workflow: type[Workflow]
    users: dict[str, User]
    client: Client

    def people(self) -> None:
        self.workflow = define()
        self.users = {"root": User.objects.create_superuser("root", "root@example.com", "pw")}
        for name, codenames in PERMISSIONS.items():
            user = User.objects.create_user(name, f"{name}@example.com", "pw", is_staff=True)
            rows = Permission.objects.filter(
                codename__in=codenames, content_type__app_label="durable"
            )
            user.user_permissions.set(rows)
            self.users[name] = user
        Group.objects.create(name="finance").user_set.add(self.users["member"])
        policy = {"API_PERMISSIONS": [f"{__name__}.OthersSeeNothing"], "PUBLIC_URL": PUBLIC}
        settings = override_settings(DURABLE=policy)
        settings.enable()
        self.addCleanup(settings.disable)  # type: ignore[attr-defined]

    def ask(self, kind: str = "approval", subject: Any = None, **options: Any) -> Execution:
        name = options.pop("name", "q")
        data = {"kind": kind, "options": options, "name": name, "api_key": "sk-1"}
        return run(self.workflow, data, subject=subject)

    def asked(self, kind: str = "approval", **options: Any) -> Wait:
        return self.ask(kind, **options).waits.get()

    def as_(self, name: str) -> Client:
        client = Client()
        if name != "anonymous":
            client.force_login(self.users[name])
        return client


def change(wait: Wait) -> str:
    """The page of a question."""
    return reverse("admin:durable_input_change", args=[wait.pk])


def reassigning(wait: Wait) -> str:
    """The page that hands it to others."""
    return reverse("admin:durable_input_reassign", args=[wait.pk])


def deciding(decision: str = "approved") -> str:
    """The page that decides on several."""
    return reverse("admin:durable_input_decide", args=[decision])


LIST = "admin:durable_input_changelist"


def trail(wait: Wait) -> list[tuple[str, str, str]]:
    """The audit of one question: what, by whom, from where."""
    rows = AuditEntry.objects.filter(wait_id=wait.pk).order_by("at", "id")
    return [(row.action, row.actor_name, row.origin) for row in rows]
