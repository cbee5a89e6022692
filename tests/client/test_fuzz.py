"""No call of the client raises anything but its documented errors, whatever it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.db import transaction

import durable
from durable import Data, Workflow, client, step
from durable.testing import run
from tests.cases import WorkflowTestCase

#: what no parameter, or only some, can take
ODD: Mapping[str, Any] = {
    "None": None,
    "True": True,
    "-1": -1,
    "10**400": 10**400,
    "NaN": float("nan"),
    "empty": "",
    "a\\0b": "a\0b",
    "lone surrogate": "\ud800",
    "long": "x" * 100_000,
    "an id": str(uuid4()),
    "bytes": b"\xff",
    "object": object(),
    "class": int,
    "list": [1, "x"],
    "nested": [[["x"]]],
    "a set": {1},
    "dict": {"a": 1},
    "odd keys": {1: "a"},
    "odd value": {"a": object()},
    "NUL in a key": {"a\0": 1},
    "generator": iter([{}]),
    "timedelta": timedelta(1),
    "timedelta.min": timedelta.min,
    "timedelta.max": timedelta.max,
    "naive": datetime(2030, 1, 1),  # noqa: DTZ001
    "early": datetime(1, 1, 1, tzinfo=UTC),
    "late": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    "a workflow": Workflow,
    "unsaved": User(username="nobody"),
}

#: parameters that each call takes and reads by the same code: all of ``ODD`` once, then some
EVERYWHERE = {"execution_id", "by"}


class FuzzTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()

        class Ask(Workflow):
            @step
            def ask(self, data: Data) -> Data:
                return {"answer": self.wait_for_text("q")}

        self.kim = User.objects.create_user("kim")
        self.execution = run(Ask)
        durable.schedule("ask", "0 9 * * *", name="daily")

    def calls(self) -> dict[str, dict[str, Any]]:
        """Each call with arguments that it can take."""
        one, by = {"execution_id": self.execution.pk}, {"by": self.kim}
        start = {
            "workflow": "ask",
            "queue": "q",
            "priority": 1,
            "scheduled_at": None,
            "delay": None,
            "tags": {"a": 1},
            **by,
        }
        more = {"input": {}, "idempotency_key": "i", "keys": ["k"], "subject": self.kim}
        event = {"name": "go", "payload": 1, "event_id": "e", **by}
        schedule = {
            "workflow": "ask",
            "cron": "0 9 * * *",
            "name": "nightly",
            "timezone": "UTC",
            "input": {},
            "catch_up": "all",
            "overlap": "skip",
            "jitter": timedelta(1),
            **by,
        }
        return {
            "start": {**start, **more},
            "start_many": {**start, "inputs": [{}]},
            "get_execution": one,
            "list_executions": {
                "workflow": "ask",
                "status": "waiting",
                "queue": "q",
                "tags": {"a": 1},
                "subject": self.kim,
            },
            "cancel": {**one, "reason": "r", "compensate": False, **by},
            "send_event": {**one, **event},
            "publish_event": {**event, "key": "k"},
            "provide_input": {
                **one,
                "name": "q",
                "answer": "a",
                "comment": "c",
                "branch": self.execution.pk,
                **by,
            },
            "reassign": {
                **one,
                "name": "q",
                "to": ["kim"],
                "branch": self.execution.pk,
                **by,
            },
            "pause": {**one, **by},
            "resume": {**one, **by},
            "retry": {**one, "restart_step": False, **by},
            "compensate": {**one, **by},
            "rerun": {**one, "from_step": None, **by},
            "schedule": schedule,
            "unschedule": {"name": "daily", **by},
            "enable_schedule": {"name": "daily", **by},
            "disable_schedule": {"name": "daily", **by},
            "trigger_schedule": {"name": "daily", **by},
            "wait_for_result": {**one, "timeout": timedelta(0)},
        }

    def test_every_call_is_tried(self) -> None:
        public = {name for name in client.__all__ if not name.startswith("a")} - {"schedules"}
        self.assertEqual(set(self.calls()), public)

    def test_one_odd_argument_at_a_time(self) -> None:
        tried: set[str] = set()
        for name, arguments in self.calls().items():
            for parameter in arguments:
                again = parameter in EVERYWHERE and parameter in tried
                tried.add(parameter)
                for odd, value in list(ODD.items())[:: 7 if again else 1]:
                    with self.subTest(f"{name}({parameter}={odd})"):
                        self.attempt(getattr(durable, name), {**arguments, parameter: value})

    def attempt(self, call: Callable[..., Any], arguments: dict[str, Any]) -> None:
        """Call it in a transaction of its own, which is undone."""
        with transaction.atomic():
            try:
                result = call(**arguments)
                if call is durable.list_executions:
                    list(result)
            except durable.DurableError:
                pass
            transaction.set_rollback(True)
