"""``durable_run``: everything a start takes, what is refused, and waiting for the end."""

from __future__ import annotations

import io
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import override_settings

import durable
from durable import Workflow, chain, foreach, step
from durable.doors.access import Policy
from durable.management.output import width
from durable.management.progress import Display
from durable.models import AuditEntry, CorrelationKey, Execution
from durable.testing import run, time_travel, worker
from tests.doors.commands.cases import (
    CommandTestCase,
    CommittingCommandTestCase,
    Data,
    a_user,
    asking,
    failing,
    quick,
)

NOON = datetime(2030, 5, 6, 12, tzinfo=UTC)


class Tenancy(Policy):
    """Whoever starts something leaves a mark."""

    def tags(self, user: Any) -> dict[str, Any]:
        return {"tenant": user.get_username()}


class StartTests(CommandTestCase):
    """Without --wait: one row, and its id."""

    def setUp(self) -> None:
        super().setUp()
        quick()

    def test_the_answer_is_the_id_and_nothing_else(self) -> None:
        said = self.call("run", "quick", "--input", '{"n": 1}')
        execution = Execution.objects.get()
        self.assertEqual(said, f"{execution.pk}\n")
        self.assertEqual(execution.input, {"n": 1})
        self.assertEqual(self.errors, "")

    def test_the_answer_in_json(self) -> None:
        said = self.json("run", "quick", "--tag", "api_key=x", "--tag", "n=3")
        keys = {"id", "workflow", "version", "status", "created", "tags", "error"}
        self.assertEqual(set(said), keys)
        self.assertEqual((said["status"], said["created"]), ("pending", True))
        self.assertEqual(said["tags"], {"api_key": "••••••", "n": 3})
        self.assertEqual(Execution.objects.get().tags, {"api_key": "x", "n": 3})

    @time_travel(NOON)
    def test_everything_that_a_start_takes_is_honoured(self) -> None:
        user = get_user_model().objects.create_user("ann")
        self.call(
            *("run", "quick", "--queue", "mail", "--priority", "-5", "--delay", "30m"),
            *("--idempotency-key", "k1", "--key", "order:1", "--key", "order:2"),
            *("--tag", "team=a=b", "--tag", 'n="3"', "--tag", "ok=true"),
            *("--subject", f"auth.User:{user.pk}"),
        )
        execution = Execution.objects.get()
        self.assertEqual((execution.queue, execution.priority), ("mail", -5))
        self.assertEqual(execution.wake_at, NOON + timedelta(minutes=30))
        self.assertEqual(execution.idempotency_key, "k1")
        self.assertEqual(execution.tags, {"team": "a=b", "n": "3", "ok": True})
        self.assertEqual(execution.subject, user)
        keys = CorrelationKey.objects.values_list("key", flat=True)
        self.assertCountEqual(keys, ["order:1", "order:2"])

    @override_settings(TIME_ZONE="Europe/Berlin")
    def test_a_time_without_offset_is_in_the_current_zone(self) -> None:
        self.call("run", "quick", "--at", "2031-01-01T12:00")
        self.call("run", "quick", "--at", "2031-01-01T12:00Z")
        times = Execution.objects.order_by("scheduled_at").values_list("scheduled_at", flat=True)
        self.assertEqual([time.hour for time in times], [11, 12])

    def test_a_file_with_the_input(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "input.json"
            file.write_text('{"name": "Jürgen"}', encoding="utf-8")
            self.call("run", "quick", "--input-file", file)
            self.assertEqual(Execution.objects.get().input, {"name": "Jürgen"})
            file.write_bytes(b"\xff\xfe")
            self.refused("can't be read", "run", "quick", "--input-file", file)
            self.refused("can't be read", "run", "quick", "--input-file", directory)
            self.refused("can't be read", "run", "quick", "--input-file", file / "missing")

    def test_the_same_key_again_is_the_first_execution(self) -> None:
        first = self.call("run", "quick", "--idempotency-key", "k", "--input", '{"n": 1}')
        again = self.call("run", "quick", "--idempotency-key", "k", "--input", '{"n": 1}')
        self.assertEqual(first, again)
        self.assertIn("started before", self.errors)
        said = self.json("run", "quick", "--idempotency-key", "k", "--input", '{"n": 1}')
        self.assertFalse(said["created"])
        self.refused("another input", "run", "quick", "--idempotency-key", "k")
        self.assertEqual(AuditEntry.objects.count(), 1)

    def test_what_is_refused_leaves_nothing_behind(self) -> None:
        deep = "[" * 100_000
        for words, *args in (
            ("Did you mean 'quick'?", "quik"),
            ("the input is not JSON: ", "quick", "--input", "{name: 1}"),
            ("line 1, column 2", "quick", "--input", "{name: 1}"),
            ("it must be a dict", "quick", "--input", "[1]"),
            ("can't be stored", "quick", "--input", '{"n": NaN}'),
            ("can't be stored", "quick", "--input", '{"n": 1e400}'),
            ("can't be stored", "quick", "--input", '{"n": "\\ud800"}'),
            ("can't be stored", "quick", "--input", '{"n": "\\u0000"}'),
            ("not JSON that can be read", "quick", "--input", deep),
            ("not JSON that can be read", "quick", "--input", '{"n": ' + "9" * 5000 + "}"),
            ("not allowed with argument", "quick", "--input", "{}", "--input-file", "x"),
            ("not allowed with argument", "quick", "--delay", "1h", "--at", "2031-01-01"),
            ("priority is a whole number", "quick", "--priority", "99999999999"),
            ("is no tag", "quick", "--tag", "=x"),
            ("is there twice", "quick", "--tag", "a=1", "--tag", "a=2"),
            ("is no subject", "quick", "--subject", "order:1"),
            ("is no subject", "quick", "--subject", "auth.Nobody:1"),
            ("there is no auth.User", "quick", "--subject", "auth.User:77"),
            ("there is no auth.User", "quick", "--subject", "auth.User:x"),
            ("there is no auth.User", "quick", "--subject", "auth.User:"),
            ("is no time", "quick", "--at", "2031-02-30"),
            ("add --wait", "quick", "--timeout", "3"),
            ("is not a number with a unit", "quick", "--delay", "soon"),
        ):
            with self.subTest(words, args=[arg[:40] for arg in args]):
                self.refused(words, "run", *args)
        self.assertFalse(Execution.objects.exists())

    def test_a_start_from_the_command_line_is_on_record(self) -> None:
        self.call("run", "quick", "--input", '{"n": 1}')
        entry = self.audited("start")
        self.assertEqual((entry.target, entry.after, entry.actor), ("quick", {"n": 1}, None))
        self.call("rerun", run("quick").pk)
        self.assertEqual(AuditEntry.objects.filter(action="start").count(), 1)
        self.audited("rerun")

    @override_settings(DURABLE={"API_PERMISSIONS": [f"{__name__}.Tenancy"]})
    def test_a_person_needs_the_permission_and_gets_the_tags_of_policies(self) -> None:
        a_user("viewer", "view_execution")
        a_user("kim", "view_execution", "add_execution")
        self.refused("durable.add_execution", "run", "quick", "--by", "viewer")
        self.call("run", "quick", "--by", "kim", "--tag", "tenant=other")
        self.assertEqual(Execution.objects.get().tags, {"tenant": "kim"})
        self.assertEqual(self.audited("start").actor_name, "kim")


class WaitTests(CommittingCommandTestCase):
    """With --wait: progress beside the answer, the result as the answer."""

    def test_the_result_is_the_answer_and_the_way_there_is_told_beside_it(self) -> None:
        class Long(Workflow):
            @step
            def count(self, data: Data) -> Data:
                self.heartbeat({"half": True})
                return {**data, "token": "secret", "numbers": [1, 2]}

            @step
            def each(self, data: Data, item: int, index: int) -> Data:
                return {**data, "last": item}

            flow = chain(count, foreach("numbers", each, name="all"))

        with worker():
            said = self.call("run", "long", "--wait", "--timeout", "60")
        execution = Execution.objects.get(parent=None)
        self.assertIn('"token": "\\u2022', said)
        first, *_, last = self.errors.splitlines()
        self.assertEqual(first, str(execution.pk))
        self.assertTrue(last.startswith("completed"), last)
        self.assertNotIn("\x1b", self.errors)
        self.assertNotIn("\r", self.errors)

    def test_secrets_are_shown_when_they_are_asked_for(self) -> None:
        quick()
        with worker():
            said = self.json(
                "run", "quick", "--wait", "--show-secrets", "--input", '{"token": "abc"}'
            )
        self.assertEqual(said["result"], {"token": "abc", "done": True})
        self.assertEqual((said["status"], said["created"]), ("completed", True))

    def test_what_fails_is_an_error_with_its_reason(self) -> None:
        failing()
        with worker(), self.assertRaises(CommandError) as caught:
            self.call("run", "failing", "--wait", "--json", "--timeout", "60")
        self.assertEqual(caught.exception.returncode, 1)
        self.assertIn("is failed: ValueError: token=•••••• is broken", str(caught.exception))
        self.assertIn('"status": "failed"', self.answered)

    def test_who_waits_no_longer_is_told_where_it_stands_and_it_goes_on(self) -> None:
        asking()
        with worker(), self.assertRaises(CommandError) as caught:
            self.call("run", "asking", "--wait", "--timeout", "2")
        self.assertIn("it goes on", str(caught.exception))
        self.assertIn("for input manager", self.errors)
        self.assertEqual(self.answered, "")
        self.assertEqual(Execution.objects.get().status, "waiting")

    def test_an_interrupted_wait_ends_with_130_and_it_goes_on(self) -> None:
        quick()
        with (
            mock.patch("durable.engine.run.result.time.sleep", side_effect=KeyboardInterrupt),
            self.assertRaises(CommandError) as caught,
        ):
            self.call("run", "quick", "--wait")
        self.assertEqual(caught.exception.returncode, 130)
        self.assertEqual(Execution.objects.get().status, "pending")

    def test_quiet_says_only_the_result(self) -> None:
        quick()
        with worker():
            said = self.call("run", "quick", "--wait", "--verbosity", "0")
        self.assertEqual((said, self.errors), ('{\n  "done": true\n}\n', ""))

    def test_a_burst_worker_beside_it_is_enough(self) -> None:
        durable.start(quick(), idempotency_key="k")
        call_command("durable_worker", burst=True, verbosity=0)
        said = self.json("run", "quick", "--idempotency-key", "k", "--wait")
        self.assertEqual((said["created"], said["result"]), (False, {"done": True}))


class DisplayTests(CommandTestCase):
    """How far it is: in place on a terminal, else a line for each change."""

    def shown(self, *lines: str, in_place: bool) -> str:
        from django.core.management.base import OutputWrapper

        stream = io.StringIO()
        display = Display(OutputWrapper(stream), in_place=in_place, columns=30)
        for line in lines:
            display.show(line)
        display.close()
        return stream.getvalue()

    def test_a_line_for_each_change(self) -> None:
        self.assertEqual(self.shown("a", "a", "b", in_place=False), "a\nb\n")

    def test_one_line_in_place_no_longer_than_the_terminal(self) -> None:
        text = self.shown("a", "a", "ü注" * 40, in_place=True)
        self.assertEqual(text.count("\r"), 2)
        self.assertTrue(text.endswith("…\n"))
        self.assertLess(width(text.rpartition("\x1b[2K")[2].rstrip("\n")), 30)

    def test_nothing_shown_leaves_nothing(self) -> None:
        self.assertEqual(self.shown(in_place=True), "")
