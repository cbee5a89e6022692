"""What is true of every command: help, ids, who acts, exit codes, and what a terminal gets."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from unittest import mock
from uuid import UUID

from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import connections

import durable
from durable.management import output
from durable.management.base import where_from
from durable.models import Execution
from durable.testing import run
from tests.crash.workflows import Quick
from tests.doors.commands.cases import (
    CommandTestCase,
    CommittingCommandTestCase,
    a_user,
    asking,
    quick,
    two_ask,
)

NAMES = sorted(
    name for name, app in get_commands().items() if name.startswith("durable_") and app == "durable"
)

#: one execution with a prefix that no other has, and two that begin alike
LONELY = UUID("0192aaaa-0000-7000-8000-000000000001")
TWINS = (
    UUID("0192bbbb-0000-7000-8000-000000000001"),
    UUID("0192bbbb-0000-7000-8000-000000000002"),
)


def renamed(execution: Execution, pk: UUID) -> Execution:
    """A copy of a root execution under another id."""
    execution.pk = execution.root_id = pk
    execution.save(force_insert=True)
    return Execution.objects.get(pk=pk)


class EveryCommandTests(CommandTestCase):
    """Whatever it does."""

    def test_each_has_help_and_json(self) -> None:
        self.assertGreater(len(NAMES), 20)
        for name in NAMES:
            with self.subTest(name):
                parser = load_command_class("durable", name).create_parser("manage.py", name)
                text = parser.format_help()
                self.assertIn("--json", text)
                for action in parser._actions:
                    self.assertTrue(action.help, f"{name}: {action.option_strings or action.dest}")

    def test_each_that_answers_about_what_there_is_prints_json_of_stable_keys(self) -> None:
        keys = {
            "list": {"executions", "more"},
            "status": {
                *("at", "statuses", "queues", "workers", "schedules", "open_questions"),
                "stranded",
            },
            "waits": {"waits", "more"},
            "schedules": {"schedules"},
            "queues": {"queues"},
            "workers": {"workers"},
            "cleanup": {"removed", "found", "events", "firings", "workers"},
            "check_versions": {"ok", "stranded", "schedules"},
        }
        for command, expected in keys.items():
            with self.subTest(command):
                self.assertEqual(set(self.json(command)), expected)
                self.assertTrue(self.call(command).strip())

    def test_unknown_options_and_missing_arguments_are_refused(self) -> None:
        for name, *args in (
            ("list", "--colour"),
            ("cancel",),
            ("send_event",),
            ("provide_input", "abcd", "x"),
            ("queues", "stop"),
            ("list", "--status", "done"),
            ("list", "--limit", "0"),
            ("list", "--tag", "x"),
            ("list", "--since", "yesterday"),
        ):
            with self.subTest(name, args=args), self.assertRaises(CommandError):
                self.call(name, *args)

    def test_options_may_stand_between_the_arguments(self) -> None:
        execution = run(asking())
        self.call("provide_input", execution.pk, "manager", "--comment", "fine", "approved")
        durable.schedule("asking", "@daily", name="nightly")
        self.assertIn("disabled", self.call("schedules", "disable", "--no-color", "nightly"))


class IdTests(CommandTestCase):
    """An id, its beginning, and what is none."""

    def setUp(self) -> None:
        super().setUp()
        quick()
        for pk in (LONELY, *TWINS):
            renamed(durable.start("quick", delay=durable.hours(1)), pk)
        Execution.objects.exclude(pk__in=(LONELY, *TWINS)).delete()

    #: each command that takes an id, with what else it needs
    COMMANDS: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("status", ()),
        ("inspect", ()),
        ("cancel", ()),
        ("retry", ()),
        ("pause", ()),
        ("resume", ()),
        ("rerun", ()),
        ("send_event", ("go",)),
        ("provide_input", ("ok", "approved")),
    )

    def test_the_beginning_of_an_id_is_enough(self) -> None:
        for prefix in (str(LONELY), "0192aaaa", "0192AAAA-00", "0192aaaa0000", str(LONELY)[:-1]):
            with self.subTest(prefix):
                self.assertEqual(self.json("inspect", prefix)["id"], str(LONELY))

    def test_a_beginning_that_several_have_is_refused_and_some_are_named(self) -> None:
        for command, rest in self.COMMANDS:
            with self.subTest(command):
                error = self.refused(
                    "several ids begin with '0192bbbb'", command, "0192bbbb", *rest
                )
                self.assertIn(str(TWINS[0]), str(error))
                self.assertIn(str(TWINS[1]), str(error))
                self.assertEqual(error.returncode, 1)

    def test_what_no_id_begins_with_is_refused(self) -> None:
        for command, rest in self.COMMANDS:
            for text in ("0192cccc", "0191", "not-an-id", "%", "0192aaaa' OR 1=1", "", "٣٣٣٣"):
                with self.subTest(command, text=text):
                    self.refused("there is no execution whose id begins with", command, text, *rest)
            with self.subTest(command):
                self.refused("at least 4 characters", command, "019", *rest)

    def test_nothing_is_done_unless_every_id_is_known(self) -> None:
        self.refused("there is no execution", "cancel", "0192aaaa", "0192cccc")
        self.refused("several ids", "pause", "0192aaaa", "0192bbbb")

    def test_the_full_id_of_a_part_is_found_and_told_from_the_whole(self) -> None:
        whole = run(two_ask())
        part = Execution.objects.filter(parent=whole).first()
        assert part is not None
        with self.assertRaises(CommandError):
            self.call("pause", part.pk)
        self.assertIn("whose id means the whole", self.errors)
        self.assertEqual(self.json("inspect", part.pk)["role"], "branch")


class WhoTests(CommandTestCase):
    """The program itself, or somebody with their permissions."""

    def test_where_from_names_the_account_and_the_machine(self) -> None:
        self.assertRegex(where_from(), r"^command \S+@\S+$")
        with mock.patch("getpass.getuser", side_effect=KeyError("uid not found")):
            self.assertRegex(where_from(), r"^command \d+@\S+$")

    def test_the_origin_is_forgotten_afterwards(self) -> None:
        from durable.storage.audit import origin

        quick()
        self.call("run", "quick")
        self.assertEqual(origin.get(), "")
        with self.assertRaises(CommandError):
            self.call("run", "quack")
        self.assertEqual(origin.get(), "")

    def test_nobody_of_this_name(self) -> None:
        self.refused("--by: there is no user 'kim'", "list", "--by", "kim")

    def test_who_may_not_see_finds_nothing_and_who_may_not_act_is_refused(self) -> None:
        execution = run(asking())
        a_user("blind")
        a_user("viewer", "view_execution")
        gone = a_user("gone", "view_execution", "cancel")
        gone.is_active = False
        gone.save()
        self.refused("there is no execution", "cancel", execution.pk, "--by", "blind")
        self.refused("may not view", "list", "--by", "blind")
        self.refused("there is no execution", "cancel", execution.pk, "--by", "gone")
        self.refused("1 of 1 refused", "cancel", execution.pk, "--by", "viewer")
        self.assertIn("it takes the permission durable.cancel", self.errors)
        for command, *args in (
            ("run", "asking"),
            ("send_event", execution.pk, "go"),
            ("publish_event", "go"),
            ("rerun", execution.pk),
            ("queues", "pause", "default"),
            ("queues",),
            ("workers",),
            ("schedules",),
            ("inspect", execution.pk, "--show-secrets"),
            ("provide_input", execution.pk, "manager", "approved"),
        ):
            with self.subTest(command):
                self.refused("may not", command, *args, "--by", "viewer")

    def test_who_may_is_on_record_with_name_and_place(self) -> None:
        execution = run(asking())
        kim = a_user("kim", "view_execution", "cancel")
        self.call("cancel", execution.pk, "--by", "kim", "--reason", "not needed")
        entry = self.audited("cancel")
        self.assertEqual((entry.actor, entry.actor_name), (kim, "kim"))
        self.assertEqual(entry.execution_id, execution.pk)
        self.assertEqual(entry.after["reason"], "not needed")

    def test_the_program_is_on_record_without_a_name(self) -> None:
        self.call("cancel", run(asking()).pk)
        entry = self.audited("cancel")
        self.assertEqual((entry.actor, entry.actor_name), (None, ""))


class TerminalTests(CommandTestCase):
    """Colours on a terminal only; nothing that a terminal would obey."""

    class Terminal(io.StringIO):
        """Says that it is one."""

        def isatty(self) -> bool:
            return True

    def said(self, *args: str, env: dict[str, str] | None = None) -> str:
        out = self.Terminal()
        quiet = {name: v for name, v in os.environ.items() if name not in ("NO_COLOR", "TERM")}
        with mock.patch.dict(os.environ, {**quiet, "TERM": "xterm", **(env or {})}, clear=True):
            call_command("durable_list", *args, stdout=out)
        return out.getvalue()

    def test_colours_on_a_terminal_unless_they_are_refused(self) -> None:
        quick()
        run("quick")
        self.assertIn("\x1b[", self.said())
        self.assertNotIn("\x1b[", self.said("--no-color"))
        self.assertNotIn("\x1b[", self.said(env={"NO_COLOR": "1"}))
        self.assertNotIn("\x1b[", self.said(env={"TERM": "dumb"}))
        self.assertNotIn("\x1b[", self.said("--json"))
        self.assertNotIn("\x1b[", self.call("list"))
        self.assertIn("\x1b[", self.call("list", "--force-color"))

    def test_what_an_output_has_no_character_for_is_written_as_an_escape(self) -> None:
        durable.start(quick(), tags={}, queue="\u00e9\u2192")
        raw = io.BytesIO()
        narrow = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
        call_command("durable_list", stdout=narrow)
        self.assertIn(b"\\xe9\\u2192", raw.getvalue())

    def test_what_a_terminal_would_obey_is_shown_as_an_escape(self) -> None:
        evil = "\x1b]0;owned\x07\x1b[2J\u202egnp\r\n"
        execution = durable.start(quick(), {"name": evil}, tags={"t": evil}, keys=[f"k{evil}"])
        durable.send_event(execution.pk, f"e{evil}", evil)
        durable.cancel(execution.pk, f"because{evil}")
        for text in (
            self.call("inspect", execution.pk, "--data", "--logs"),
            self.call("list"),
            self.call("status", execution.pk),
        ):
            for char in "\x1b\x07\u202e\r":
                self.assertNotIn(char, text)
        shown = self.json("inspect", execution.pk, "--data")
        self.assertEqual(shown["input"]["name"], evil)
        self.assertNotIn("\u202e", self.answered)

    def test_tables_are_aligned_by_the_width_of_what_is_seen(self) -> None:
        lines = output.Paint(False).table(("A", "B"), [("注文", 1), ("e\u0301", 2), ("abc", None)])
        self.assertEqual(lines, ["A     B", "注文  1", "e\u0301     2", "abc   -"])


class ProcessTests(CommittingCommandTestCase):
    """The same from a shell: answers on standard output, errors beside it, exit codes."""

    def test_a_whole_life_from_the_shell(self) -> None:
        started = self.process("run", "crash_quick", "--input", '{"n": 1}', "--tag", "team=a")
        self.assertEqual(started.returncode, 0, started.stderr)
        pk = started.stdout.strip()
        self.assertEqual(Execution.objects.get().tags, {"team": "a"})
        durable.start(Quick)
        call_command("durable_worker", burst=True, verbosity=0)
        shown = self.process("inspect", pk, "--json")
        self.assertEqual(json.loads(shown.stdout)["status"], "completed", shown.stderr)

    def test_errors_leave_standard_output_empty_and_say_so_with_the_exit_code(self) -> None:
        for args, code, words in (
            (
                ("run", "crash_quik"),
                1,
                "There is no workflow 'crash_quik'. Did you mean 'crash_quick'?",
            ),
            (("run", "crash_quick", "--input", "{"), 1, "the input is not JSON"),
            (("cancel", "abcd1234"), 1, "there is no execution whose id begins with 'abcd1234'"),
            (("cancel",), 2, "the following arguments are required: id"),
            (("list", "--limit", "none"), 2, "is not a whole number"),
        ):
            with self.subTest(args):
                done = self.process(*args)
                self.assertEqual((done.returncode, done.stdout), (code, ""))
                self.assertIn(words, done.stderr)
                self.assertNotIn("Traceback", done.stderr)
        self.assertFalse(Execution.objects.exists())

    def test_standard_input_is_read(self) -> None:
        done = self.process("run", "crash_quick", "--input", "-", stdin='{"from": "stdin"}')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(Execution.objects.get().input, {"from": "stdin"})

    def test_a_reader_that_goes_away_is_no_error(self) -> None:
        for n in range(300):
            durable.start(Quick, {"n": n})
        done = subprocess.run(
            f"{sys.executable} -m django durable_list --all | head -1",
            shell=True,
            cwd=os.getcwd(),
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.crash.settings",
                "DURABLE_TEST_NAME": str(connections["default"].settings_dict["NAME"]),
            },
            capture_output=True,
            text=True,
            timeout=100,
        )
        self.assertTrue(done.stdout.startswith("ID "))
        self.assertNotIn("BrokenPipe", done.stderr)
