"""The OpenAPI document says what the REST door does: as generated requests find it, and no less."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import SimpleTestCase, override_settings
from django.urls import reverse
from rest_framework.authentication import BaseAuthentication
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

import durable
from durable.rest.base import filters
from durable.rest.urls import urlpatterns
from tests.doors.rest.cases import RestTestCase

ROOT = Path(__file__).resolve().parents[3]

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]

EXAMPLES = 6


class Boss(BaseAuthentication):
    """Everybody who asks may do everything."""

    def authenticate(self, request: Any) -> Any:
        """The superuser."""
        return User.objects.get(username="boss"), None


@cache
def document() -> dict[str, Any]:
    """As ``manage.py spectacular`` writes it, in a process that has drf-spectacular installed."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "openapi.json"
        command = [
            sys.executable, "manage.py", "spectacular", "--settings", "tests.openapi_settings",
            "--validate", "--fail-on-warn", "--format", "openapi-json", "--file", str(file),
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of each."""
    return [
        (path, method, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]


class DocumentTests(SimpleTestCase):
    """What is in the document."""

    def test_it_is_generated_without_a_warning_and_has_every_address_and_method(self) -> None:
        there = {(path, method.upper()) for path, method, _ in operations()}
        wanted = set()
        for pattern in urlpatterns:
            names = pattern.pattern.converters
            address = reverse(f"durable:{pattern.name}", kwargs=dict.fromkeys(names, "zzz"))
            for method in pattern.callback.view_class.operations:
                wanted.add((address, method))
        shown = {(_filled(path), method) for path, method in there}
        self.assertEqual(shown, wanted)

    def test_every_operation_documents_its_problems(self) -> None:
        for path, method, operation in operations():
            with self.subTest(path, method=method):
                self.assertLessEqual(
                    {"400", "401", "403", "406", "429"}, set(operation["responses"])
                )
                for code, response in operation["responses"].items():
                    if code >= "400":
                        self.assertEqual(list(response["content"]), ["application/problem+json"])
                if method == "post":
                    self.assertLessEqual({"413", "415"}, set(operation["responses"]))

    def test_names_of_components_do_not_collide_with_a_projects_own(self) -> None:
        for name in document()["components"]["schemas"]:
            self.assertTrue(name.startswith("Durable"), name)

    def test_every_filter_is_among_the_parameters(self) -> None:
        for filterset, parameters in (
            (filters.ExecutionFilter, filters.EXECUTIONS),
            (filters.EventFilter, filters.EVENTS),
        ):
            self.assertEqual(list(filterset.base_filters), [one.name for one in parameters])

    def test_without_drf_spectacular_nothing_of_it_is_imported(self) -> None:
        code = (
            "import django, sys; django.setup(); import durable.urls;"
            "sys.exit('drf_spectacular' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": ""},
            capture_output=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)


def _filled(path: str) -> str:
    return "/".join("zzz" if part.startswith("{") else part for part in path.split("/"))


class GeneratedTests(RestTestCase):
    """Generated requests, fitting and not: no 5xx, no status that isn't documented."""

    def setUp(self) -> None:
        super().setUp()
        path = f"{__name__}.{Boss.__name__}"
        self.enterContext(
            override_settings(
                REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [path]},
                DURABLE={
                    "WEBHOOKS": {"shop": {"scheme": "hmac", "secrets": ["s"], "event": "type"}}
                },
                ALLOWED_HOSTS=["*"],
            )
        )
        for signal in (request_started, request_finished):  # they would end the test's transaction
            signal.disconnect(close_old_connections)
            self.addCleanup(signal.connect, close_old_connections)
        waiting = self.ask()
        durable.send_event(waiting.pk, "x", {"a": 1})
        durable.schedule("plain", "0 9 * * *", name="daily")
        self.known = {
            "id": str(waiting.pk), "source": "shop",
            "name": {"inputs": "manager", "workflows": "plain", "schedules": "daily",
                     "queues": "default"},
        }  # fmt: skip
        self.failed()

    def test_what_is_answered_is_what_is_documented(self) -> None:
        schema = schemathesis.openapi.from_dict(document())
        schema.app = WSGIHandler()
        statuses: set[tuple[str, int]] = set()
        for result in schema.get_all_operations():
            operation = result.ok()
            for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
                for known in True, False:
                    with self.subTest(operation.label, mode=mode.value, known=known):
                        self._ask(operation, mode, statuses, known=known)
        self.assertGreater(len(statuses), 70, statuses)
        self.assertLessEqual({200, 201, 400, 401, 404, 409}, {code for _, code in statuses})

    def _ask(self, operation: Any, mode: Any, statuses: set[Any], *, known: bool) -> None:
        """Some requests; in half of the runs they are about something that is there."""
        fixed = self._fixed(operation.path) if known else None
        if known and not fixed:
            return
        try:
            strategy = operation.as_strategy(generation_mode=mode, path_parameters=fixed)
        except Exception as error:
            if "Impossible" in type(error).__name__ or "Unsatisfiable" in type(error).__name__:
                return
            raise

        @hypothesis.seed(20260302)
        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.generate],
        )
        @hypothesis.given(case=strategy)
        def ask(case: Any) -> None:
            savepoint = transaction.savepoint()
            try:
                response = case.call()
                statuses.add((operation.label, response.status_code))
                case.validate_response(response, checks=CHECKS)
            finally:
                transaction.savepoint_rollback(savepoint)

        ask()

    def _fixed(self, path: str) -> dict[str, str]:
        names = self.known["name"]
        assert isinstance(names, dict)
        found = {
            "id": self.known["id"],
            "source": self.known["source"],
            "name": next((name for kind, name in names.items() if f"/{kind}/" in path), ""),
        }
        return {name: str(value) for name, value in found.items() if f"{{{name}}}" in path}
