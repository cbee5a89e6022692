"""Waiting for a result: a client blocks until an execution is finished."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from asgiref.sync import sync_to_async
from django.db import transaction

import durable
from durable import Data, Workflow, seconds, step
from durable.testing import drain, worker
from tests.cases import ThreadedTestCase


def define() -> type[Workflow]:
    class Adding(Workflow):
        @step
        def add(self, data: Data) -> Data:
            if data.get("wait"):
                self.wait_for_event("go")
            return {"sum": data["a"] + data["b"]}

    return Adding


class ResultTests(ThreadedTestCase):
    def test_the_final_data(self) -> None:
        execution_class = define()
        with worker():
            execution = durable.start(execution_class, {"a": 1, "b": 2})
            self.assertEqual(durable.wait_for_result(execution.id, timeout=seconds(30)), {"sum": 3})
        self.assertEqual(durable.wait_for_result(str(execution.id)), {"sum": 3})

    def test_a_failure_is_raised_with_its_error(self) -> None:
        define()
        with worker():
            execution = durable.start("adding", {"a": 1})
            with self.assertRaises(durable.ExecutionFailed) as caught:
                durable.wait_for_result(execution.id, timeout=seconds(30))
        for word in (str(execution.pk), "failed", "KeyError"):
            self.assertIn(word, str(caught.exception))
        self.assertEqual(caught.exception.execution, execution)
        self.assertEqual(caught.exception.error["type"], "KeyError")

    def test_a_cancellation_is_raised_with_its_reason(self) -> None:
        define()
        execution = durable.start("adding", {})
        durable.cancel(execution.id, "no need")
        with self.assertRaisesRegex(durable.ExecutionFailed, r"cancelled.*no need"):
            durable.wait_for_result(execution.id)

    def test_when_the_time_is_over(self) -> None:
        define()
        execution = durable.start("adding", {"wait": True})
        drain()
        for nothing in (timedelta(0), timedelta(milliseconds=20), -seconds(1)):
            with self.assertRaises(durable.ResultTimeout) as caught:
                durable.wait_for_result(execution.id, timeout=nothing)
            self.assertIsInstance(caught.exception, TimeoutError)
            self.assertIn("waiting", str(caught.exception))
        durable.cancel(execution.id)

    def test_a_finished_one_needs_no_time(self) -> None:
        define()
        execution = durable.start("adding", {"a": 1, "b": 1})
        drain()
        self.assertEqual(durable.wait_for_result(execution.id, timeout=timedelta(0)), {"sum": 2})

    def test_refused_inside_a_transaction(self) -> None:
        define()
        execution = durable.start("adding", {"a": 1, "b": 1})
        with (
            transaction.atomic(),
            self.assertRaisesRegex(durable.InTransaction, "after the commit"),
        ):
            durable.wait_for_result(execution.id)

    async def test_the_async_twin(self) -> None:
        define()
        execution = await durable.astart("adding", {"a": 1, "b": 2})
        await sync_to_async(drain)()
        self.assertEqual(await durable.await_for_result(execution.id), {"sum": 3})

    async def test_the_async_twin_lets_other_calls_of_the_same_loop_go_on(self) -> None:
        define()
        execution = await durable.astart("adding", {"a": 1, "b": 2, "wait": True})
        await sync_to_async(drain)()
        result = asyncio.create_task(durable.await_for_result(execution.id, timeout=seconds(10)))
        await asyncio.sleep(0.05)  # it waits by now
        await durable.asend_event(execution.id, "go")
        await sync_to_async(drain)()
        self.assertEqual(await result, {"sum": 3})

    async def test_the_async_twin_has_the_same_errors(self) -> None:
        define()
        execution = await durable.astart("adding", {"wait": True})
        with self.assertRaisesRegex(durable.ResultTimeout, "pending"):
            await durable.await_for_result(execution.id, timeout=timedelta(milliseconds=20))
        await durable.acancel(execution.id, "no need")
        with self.assertRaisesRegex(durable.ExecutionFailed, r"cancelled.*no need"):
            await durable.await_for_result(execution.id)
        with self.assertRaises(durable.ExecutionNotFound):
            await durable.await_for_result("none")
