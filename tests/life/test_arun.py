"""``arun`` remembers what it awaited, alone or gathered with others."""

from __future__ import annotations

import asyncio
from typing import Any

from django.db import connection

import durable
from durable import Retry, Workflow, days, seconds, step
from durable.testing import advance, assert_completed, drain, run, time_travel
from tests.cases import ThreadedTestCase, WorkflowTestCase
from tests.life.cases import die_at


class ArunTests(WorkflowTestCase):
    def test_arun_remembers_results_of_functions_and_coroutines(self) -> None:
        calls: list[Any] = []

        async def fetch(n: int) -> dict[str, int]:
            await asyncio.sleep(0)
            calls.append(n)
            return {"n": n}

        def plain() -> tuple[int]:
            calls.append("plain")
            return (1,)

        class P(Workflow):
            @step
            async def one(self, data):
                first = await self.arun(fetch, 1)
                second = await self.arun(plain)
                await self.await_for_event("go")
                third = await self.arun(fetch, 3)
                return {"all": [first, second, third]}

        execution = run(P)
        durable.send_event(execution.id, "go")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"all": [{"n": 1}, (1,), {"n": 3}]})
        self.assertEqual(calls, [1, "plain", 3])

    def test_arun_may_be_gathered_and_each_result_stays_with_its_call(self) -> None:
        calls: list[int] = []

        async def fetch(n: int, turns: int) -> int:
            for _ in range(turns):
                await asyncio.sleep(0)
            calls.append(n)
            return n * 10

        class P(Workflow):
            @step
            async def one(self, data):
                found = await asyncio.gather(
                    *(self.arun(fetch, n, 8 - 2 * n) for n in range(4)),
                    self.arun(lambda: "other", name="other"),
                )
                await self.asleep(days(1))
                return {"found": found}

        with time_travel():
            execution = run(P)
            advance(days=1)
            assert_completed(execution)
        self.assertEqual(execution.result, {"found": [0, 10, 20, 30, "other"]})
        self.assertEqual(sorted(calls), [0, 1, 2, 3])

    def test_some_results_of_a_gather_are_kept_when_another_one_fails(self) -> None:
        calls: list[str] = []

        async def good() -> str:
            calls.append("good")
            return "good"

        async def bad() -> str:
            calls.append("bad")
            for _ in range(50):
                await asyncio.sleep(0)
            if calls.count("bad") == 1:
                raise ValueError
            return "bad"

        class P(Workflow):
            @step(retry=Retry(2, base=seconds(0)))
            async def one(self, data):
                second = self.arun(good)
                return {"got": list(await asyncio.gather(self.arun(bad), second))}

        execution = run(P)
        assert_completed(execution)
        self.assertEqual(execution.result, {"got": ["bad", "good"]})
        self.assertEqual(calls.count("bad"), 2)
        self.assertLessEqual(calls.count("good"), 2)


class AsyncCommitTests(ThreadedTestCase):
    def test_no_transaction_is_held_and_a_crash_repeats_the_step_but_not_its_aruns(self) -> None:
        calls: list[str] = []

        async def pay() -> str:
            calls.append("pay")
            return "paid"

        class P(Workflow):
            @step
            async def one(self, data):
                calls.append("body")
                return {"paid": await self.arun(pay), "atomic": connection.in_atomic_block}

        execution = durable.start(P)
        die_at("body.after")
        drain()
        assert_completed(execution)
        self.assertEqual(execution.result, {"paid": "paid", "atomic": False})
        self.assertEqual(calls, ["body", "pay", "body"])
