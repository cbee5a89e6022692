"""All log records of a step, by any logger, are kept with its attempt."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import durable
from durable import Retry, Workflow, seconds, step
from durable.models import Execution
from durable.testing import assert_completed, drain, run
from tests.cases import WorkflowTestCase

elsewhere = logging.getLogger("some.package")


def messages(execution: Execution) -> list[list[str]]:
    """The messages of each attempt."""
    return [[line["message"] for line in run.log_records] for run in execution.steps.all()]


def lines(execution: Execution) -> Any:
    return execution.steps.get().log_records


class LogTests(WorkflowTestCase):
    def test_records_of_self_log_and_of_any_logger_are_kept_with_level_and_name(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.log.info("at %s", "work")
                elsewhere.warning("careful")
                logging.error("root")

        found = lines(run(P))
        self.assertEqual(
            [(line["level"], line["message"]) for line in found],
            [("INFO", "at work"), ("WARNING", "careful"), ("ERROR", "root")],
        )
        self.assertEqual([line["logger"] for line in found][1:], ["some.package", "root"])
        self.assertTrue(all(line["at"] for line in found))

    def test_each_attempt_has_its_own(self) -> None:
        class P(Workflow):
            @step(retry=Retry(2, base=seconds(0)))
            def one(self, data):
                self.log.info("attempt %s", self.attempt)
                if self.attempt == 1:
                    raise ValueError

            @step
            def two(self, data):
                elsewhere.info("two")

        self.assertEqual(messages(run(P)), [["attempt 1"], ["attempt 2"], ["two"]])

    def test_lines_before_and_after_a_wait_stand_in_one_attempt(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.log.info("before")
                self.wait_for_event("go")
                self.log.info("after")

        execution = run(P)
        self.assertEqual(messages(execution), [["before"]])
        durable.send_event(execution.id, "go")
        drain()
        assert_completed(execution)
        self.assertEqual(messages(execution), [["before", "before", "after"]])

    def test_log_capture_sets_the_level(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                for level in ("debug", "info", "warning", "error"):
                    getattr(self.log, level)(level)

        for setting, kept in [
            (None, ["info", "warning", "error"]),
            ("DEBUG", ["debug", "info", "warning", "error"]),
            ("ERROR", ["error"]),
        ]:
            options = {} if setting is None else {"LOG_CAPTURE": setting}
            with self.subTest(setting), self.settings(DURABLE=options):
                self.assertEqual(messages(run(P)), [kept])

    def test_log_capture_can_be_switched_off(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                self.log.error("lost")

        with self.settings(DURABLE={"LOG_CAPTURE": None}):
            self.assertEqual(messages(run(P)), [[]])

    def test_an_exception_is_logged_with_its_traceback(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                try:
                    raise KeyError("gone")
                except KeyError:
                    self.log.exception("caught")

        (line,) = lines(run(P))
        self.assertIn("caught", line["message"])
        self.assertIn("KeyError: 'gone'", line["message"])

    def test_a_record_that_cant_be_formatted_is_described_and_harms_nothing(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                logging.raiseExceptions = False
                try:
                    self.log.info("%d", "text")
                    self.log.info("nul \0 and \ud800")
                finally:
                    logging.raiseExceptions = True

        execution = run(P)
        assert_completed(execution)
        first, second = lines(execution)
        self.assertIn("not printable", first["message"])
        self.assertIn("nul \\x00", second["message"])

    def test_an_endless_log_is_cut(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                for _ in range(50):
                    elsewhere.info("x" * 100_000)

        execution = run(P)
        assert_completed(execution)
        self.assertLess(len(execution.steps.get().logs), 10**6)

    def test_records_of_an_async_step_are_kept(self) -> None:
        class P(Workflow):
            @step
            async def one(self, data):
                self.log.info("one")
                await asyncio.gather(self.two("a"), self.two("b"))

            @step
            async def two(self, data):
                if isinstance(data, str):
                    elsewhere.info(data)

        execution = run(P)
        assert_completed(execution)
        self.assertEqual(messages(execution), [["one", "a", "b"], []])

    def test_a_logger_that_does_not_propagate_is_kept_too(self) -> None:
        closed = logging.getLogger("some.closed.package")
        closed.propagate = False
        self.addCleanup(setattr, closed, "propagate", True)

        class P(Workflow):
            @step
            def one(self, data):
                closed.warning("heard")

        self.assertEqual(messages(run(P)), [["heard"]])

    def test_what_is_logged_outside_of_a_step_is_not_kept(self) -> None:
        class P(Workflow):
            @step
            def one(self, data):
                pass

        elsewhere.warning("before")
        execution = run(P)
        elsewhere.warning("after")
        self.assertEqual(messages(execution), [[]])

    def test_capturing_leaves_handlers_and_levels_as_they_were(self) -> None:
        root = logging.getLogger()
        before = (root.level, list(root.handlers), [list(h.filters) for h in root.handlers])

        class P(Workflow):
            @step
            def one(self, data):
                raise ValueError

        run(P)
        after = (root.level, list(root.handlers), [list(h.filters) for h in root.handlers])
        self.assertEqual(before, after)

    def test_no_more_is_printed_than_without_the_engine(self) -> None:
        printed: list[str] = []

        class Printer(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                printed.append(record.getMessage())

        root, printer = logging.getLogger(), Printer()
        root.addHandler(printer)
        self.addCleanup(root.removeHandler, printer)
        level = root.level
        root.setLevel(logging.WARNING)
        self.addCleanup(root.setLevel, level)

        class P(Workflow):
            @step
            def one(self, data):
                elsewhere.info("kept, not printed")
                elsewhere.warning("kept and printed")

        execution = run(P)
        self.assertEqual(messages(execution), [["kept, not printed", "kept and printed"]])
        self.assertEqual(printed, ["kept and printed"])

    def test_nor_by_a_logger_with_handlers_of_its_own(self) -> None:
        printed: list[str] = []

        class Printer(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                printed.append(record.getMessage())

        root, own = logging.getLogger(), logging.getLogger("some.loud.package")
        level = root.level
        root.setLevel(logging.WARNING)
        self.addCleanup(root.setLevel, level)
        printer = Printer()
        own.addHandler(printer)
        self.addCleanup(own.removeHandler, printer)

        class P(Workflow):
            @step
            def one(self, data):
                own.info("kept, not printed")
                own.warning("kept and printed")

        execution = run(P)
        self.assertEqual(messages(execution), [["kept, not printed", "kept and printed"]])
        self.assertEqual(printed, ["kept and printed"])
