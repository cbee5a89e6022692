"""``async def`` steps work like the others, with the twins of what waits, records or writes."""

from __future__ import annotations

import asyncio
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation

import durable
from durable import DefinitionError, Retry, Workflow, days, minutes, seconds, step
from durable.testing import advance, assert_completed, assert_waiting_for, drain, run, time_travel
from tests.cases import WorkflowTestCase
from tests.shop.models import Note


class AsyncTests(WorkflowTestCase):
    def test_an_async_step_returns_data_like_any_other(self) -> None:
        class P(Workflow):
            @step
            async def one(self, data):
                await asyncio.sleep(0)
                return {"n": data["n"] + 1}

            @step
            async def two(self, data):
                data["two"] = True

            @step
            def three(self, data):
                data["three"] = True

        self.assertEqual(run(P, {"n": 1}).result, {"n": 2, "two": True, "three": True})

    def test_it_fails_and_is_retried_like_any_other(self) -> None:
        class P(Workflow):
            @step(retry=Retry(3, base=seconds(0)))
            async def one(self, data):
                if self.attempt < 3:
                    raise ValueError(self.attempt)
                return {"attempt": self.attempt}

            @step
            async def two(self, data):
                return [data]

        execution = run(P)
        self.assertFailed(execution, "InvalidStepResult")
        self.assertEqual(execution.data, {"attempt": 3})

    def test_atomic_true_is_a_definition_error(self) -> None:
        with self.assertRaisesRegex(DefinitionError, "one"):

            class P(Workflow):
                @step(atomic=True)
                async def one(self, data):
                    pass

    def test_every_wait_has_an_awaited_twin(self) -> None:
        class P(Workflow):
            @step
            async def one(self, data):
                await self.asleep(days(1))
                await self.asleep_until(self.now() + days(1) if "late" in data else self.now())
                await self.aschedule_at(self.now())
                data["event"] = await self.await_for_event("e", timeout=days(9))
                data["any"] = await self.await_for_any(["x", "y"])
                data["all"] = await self.await_for_all(["x", "z"])
                decision = await self.await_for_approval("ok")
                data["decision"], data["by"] = decision, decision.comment
                data["choice"] = await self.await_for_choice("which", [1, 2])
                data["text"] = await self.await_for_text("say")
                data["input"] = await self.await_for_input("n", "integer")
                data["form"] = await self.await_for_form("f", fields=[{"name": "city"}])
                data["late"] = await self.await_for_event(
                    "never", timeout=days(1), timeout_value="nothing"
                )

        with time_travel():
            execution = run(P)
            advance(days=1)
            for name in ("e", "y", "z", "x"):
                durable.send_event(execution.id, name, name)
            drain()
            for name, answer in [
                ("ok", "approved"),
                ("which", 2),
                ("say", "hello"),
                ("n", 5),
                ("f", {"city": "Ulm"}),
            ]:
                assert_waiting_for(execution, input=name)
                durable.provide_input(execution.id, name, answer, comment="fine")
                drain()
            advance(days=1)
            assert_completed(execution)
        self.assertEqual(
            execution.result,
            {
                "event": "e",
                "any": ("y", "y"),
                "all": {"x": "x", "z": "z"},
                "decision": "approved",
                "by": "fine",
                "choice": 2,
                "text": "hello",
                "input": 5,
                "form": {"city": "Ulm"},
                "late": "nothing",
            },
        )

    def test_the_sync_form_raises_synchronous_only_operation(self) -> None:
        calls: dict[str, Any] = {
            "sleep": lambda self: self.sleep(days(1)),
            "sleep_until": lambda self: self.sleep_until(self.now()),
            "schedule_at": lambda self: self.schedule_at(self.now()),
            "wait_for_event": lambda self: self.wait_for_event("e"),
            "wait_for_any": lambda self: self.wait_for_any(["e"]),
            "wait_for_all": lambda self: self.wait_for_all(["e"]),
            "wait_for_input": lambda self: self.wait_for_input("e"),
            "wait_for_approval": lambda self: self.wait_for_approval("e"),
            "wait_for_choice": lambda self: self.wait_for_choice("e", [1]),
            "wait_for_text": lambda self: self.wait_for_text("e"),
            "wait_for_form": lambda self: self.wait_for_form("e", fields=[{"name": "a"}]),
            "call_workflow": lambda self: self.call_workflow("p"),
            "start_workflow": lambda self: self.start_workflow("p"),
            "run": lambda self: self.run(int),
            "heartbeat": lambda self: self.heartbeat(1),
            "set_tags": lambda self: self.set_tags(a=1),
        }
        for name, call in calls.items():

            class P(Workflow):
                @step
                async def one(self, data, call=call):
                    call(self)

            with self.subTest(name):
                self.assertFailed(run(P), "SynchronousOnlyOperation", f"await self.a{name}()")

    def test_aheartbeat_and_aset_tags_write(self) -> None:
        class P(Workflow):
            @step
            async def one(self, data):
                await self.aheartbeat(progress={"done": 3})
                await self.aset_tags(tenant="acme")

        execution = run(P)
        assert_completed(execution)
        self.assertEqual(execution.progress, {"done": 3})
        self.assertEqual(execution.tags, {"tenant": "acme"})

    def test_what_a_step_reads_of_itself_can_be_read_in_an_async_one(self) -> None:
        class P(Workflow):
            @step(timeout=minutes(1))
            async def one(self, data):
                assert durable.current() is self
                assert self.cancel_requested is False
                self.log.info("hello")
                return {
                    "input": self.input,
                    "id": str(self.id) == str(self.branch_id),
                    "attempt": self.attempt,
                    "key": bool(self.idempotency_key),
                    "deadline": self.deadline is not None,
                    "late": self.now() > self.deadline,
                }

        execution = run(P, {"n": 1})
        assert_completed(execution)
        self.assertEqual(
            execution.result,
            {
                "input": {"n": 1},
                "id": True,
                "attempt": 1,
                "key": True,
                "deadline": True,
                "late": False,
            },
        )
        self.assertIn("hello", execution.steps.get().logs)

    def test_the_async_orm_works_and_the_sync_one_says_so(self) -> None:
        class P(Workflow):
            @step
            async def one(self, data):
                await Note.objects.acreate(text="async", execution_id=self.id)
                data["count"] = await Note.objects.acount()
                try:
                    Note.objects.count()
                except SynchronousOnlyOperation:
                    data["refused"] = True

        self.assertEqual(run(P).result, {"count": 1, "refused": True})

    def test_a_bare_except_around_an_await_is_found_out(self) -> None:
        class P(Workflow):
            @step
            async def one(self, data):
                try:
                    await self.await_for_event("go")
                except BaseException:
                    return {"swallowed": True}

        self.assertFailed(run(P), "SuspendSwallowed")

    def test_an_async_helper_step_is_awaited(self) -> None:
        class P(Workflow):
            @step
            async def one(self, data):
                return await self.two({**data, "one": 1})

            @step
            async def two(self, data):
                return {**data, "two": data.get("two", 0) + 1}

        self.assertEqual(run(P).result, {"one": 1, "two": 2})
