"""What was completed last is undone first, over the whole tree, however coarse the clock is."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest

import durable
from durable import (
    Workflow,
    WorkflowMeta,
    call_workflow,
    chain,
    clock,
    foreach,
    minutes,
    parallel,
    seconds,
    step,
)
from durable.authoring.parse import registry
from durable.engine.duties.inline import InlineSession
from durable.engine.row.held import next_completed_at
from durable.engine.run import runner
from durable.engine.run.claim import claim_due
from durable.models import Execution, Wait
from durable.testing import advance, drain, run, time_travel
from tests.life.cases import a_worker, claim_as, die_in_the_next_step
from tests.parts.leftovers import CommittingTreeTestCase, TreeTestCase

NOON = datetime(2030, 6, 3, 12, tzinfo=UTC)


class Steps(Workflow):
    """Steps that are undone; ``done`` and ``undone`` note which, in order."""

    class Meta(WorkflowMeta):
        abstract = True

    done: list[Any] = []
    undone: list[Any] = []

    @step
    def acts(self, data: Any, *item: Any) -> Any:
        self.done.append(self.branch_id)

    @acts.compensate
    def un_acts(self, data: Any, *item: Any) -> Any:
        self.undone.append(self.branch_id)

    @step
    def waits(self, data: Any, *item: Any) -> Any:
        self.wait_for_event(str(self.branch_id))
        self.done.append(self.branch_id)

    @waits.compensate
    def un_waits(self, data: Any, *item: Any) -> Any:
        self.undone.append(self.branch_id)

    @step(timeout=seconds(5))
    def hangs(self, data: Any) -> Any:
        self.wait_for_event(str(self.branch_id))
        self.done.append(self.branch_id)
        raise durable.StepTimeout("too long")

    @hangs.compensate(always=True)
    def un_hangs(self, data: Any) -> Any:
        self.undone.append(self.branch_id)

    @step
    def fails(self, data: Any) -> Any:
        if not data.get("mended"):
            raise durable.Fail("no", type="declined")


S = Steps


class Order(TreeTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.done: list[Any] = []
        self.undone: list[Any] = []

    def flow(self, *nodes: Any, name: str = "w", **meta: Any) -> Any:
        options = type("Meta", (WorkflowMeta,), {"name": name, **meta})
        lists = {"done": self.done, "undone": self.undone}
        return type("W", (Steps,), {"flow": chain(*nodes), "Meta": options, **lists})

    def let(self, wait: Wait) -> None:
        """Answer one wait, and work what follows of it."""
        durable.send_event(wait.root_id, wait.name)
        drain()

    def assertUndoneInReverse(self, execution: Execution, count: int) -> None:
        self.assertEnded(execution, "compensated")
        self.assertEqual(len(self.done), count)
        self.assertEqual(self.undone, self.done[::-1])


class FrozenClockTests(Order):
    """Under a clock that stands still, order is all that there is."""

    def test_a_branch_that_was_resumed_later_is_undone_first(self) -> None:
        long = chain(S.acts, S.acts.named("more"), S.acts.named("most"))
        with time_travel(NOON):
            execution = run(self.flow(parallel(late=S.waits, early=long), S.fails))
            self.let(Wait.objects.open().get())
        self.assertUndoneInReverse(execution, 4)

    def test_over_branches_items_and_children_in_whatever_order_they_go_on(self) -> None:
        for seed in range(2):
            with self.subTest(seed=seed), time_travel(NOON):
                self.done.clear()
                self.undone.clear()
                Execution.objects.all().delete()
                chance = random.Random(seed)
                self.flow(S.acts, parallel(S.waits, b=S.waits), name="child")
                two = chain(S.acts, S.waits, S.acts.named("after"))
                flow = self.flow(
                    parallel(
                        one=S.waits,
                        two=two,
                        nested=parallel(x=S.waits, y=chain(parallel(z=S.waits), S.acts)),
                        each=foreach("items", S.waits, concurrency=2),
                        calls=foreach("items", call_workflow("child"), concurrency=2, name="c"),
                    ),
                    S.acts,
                    S.fails,
                    name=f"w{seed}",
                )
                execution = run(flow, {"items": [1, 2]})
                while waits := list(Wait.objects.open().exclude(kind="child").order_by("id")):
                    self.let(chance.choice(waits))
                self.assertUndoneInReverse(execution, 1 + 3 + 1 + 2 + 2 + 2 * 3 + 1)

    def test_however_deep_the_tree_is(self) -> None:
        self.flow(S.acts, name="below0")
        for depth in range(1, 6):
            self.flow(parallel(call_workflow(f"below{depth - 1}")), S.acts, name=f"below{depth}")
        with time_travel(NOON):
            execution = run(self.flow(S.acts, call_workflow("below5"), S.fails))
        self.assertUndoneInReverse(execution, 7)

    def test_after_a_pause_and_after_the_clock_has_moved(self) -> None:
        with time_travel(NOON):
            execution = run(self.flow(parallel(a=S.waits, b=S.waits, c=S.acts), S.fails))
            durable.pause(execution.id)
            drain()
            advance(minutes=1)
            durable.resume(execution.id)
            drain()
            for wait in Wait.objects.open().order_by("-id"):
                self.let(wait)
        self.assertUndoneInReverse(execution, 3)

    def test_after_a_retry_of_the_block(self) -> None:
        with time_travel(NOON):
            execution = run(
                self.flow(
                    parallel(a=chain(S.acts, S.waits), b=chain(S.acts, S.fails)),
                    on_failure="hold",
                )
            )
            self.assertEnded(execution, "failed")
            durable.retry(execution.id)
            drain()
            self.assertEnded(execution, "failed")
            durable.compensate(execution.id)
            drain()
        self.assertUndoneInReverse(execution, 2)

    def test_an_attempt_with_an_unknown_outcome_has_its_place_in_the_order(self) -> None:
        long = chain(S.acts, S.acts.named("more"), S.acts.named("most"))
        with time_travel(NOON):
            execution = run(self.flow(parallel(late=S.hangs, early=long)))
            self.let(Wait.objects.open().get())
        self.assertUndoneInReverse(execution, 4)

    def test_so_has_one_in_which_a_worker_has_died(self) -> None:
        class Dying(Steps):
            class Meta(WorkflowMeta):
                name = "dying"

            @step
            def last(self, data: Any) -> Any:
                pass

            @last.compensate(always=True)
            def un_last(self, data: Any) -> Any:
                self.undone.append(self.branch_id)

            flow = chain(parallel(early=chain(S.acts, S.acts.named("more")), late=last))

        Dying.done, Dying.undone = self.done, self.undone
        with time_travel(NOON):
            execution = durable.start(Dying)
            for _ in range(2):  # the root opens the block, the first branch runs
                runner.run(claim_as(a_worker()), InlineSession())
            die_in_the_next_step()
            durable.cancel(execution.id, compensate=True)
            drain()
        self.assertEnded(execution, "compensated")
        late = Execution.objects.get(branch="late").pk
        self.assertEqual(self.undone, [late, *self.done[::-1]])

    def test_each_stretch_of_frozen_time_begins_at_its_own_instant(self) -> None:
        for _ in range(2):
            with time_travel(NOON):
                execution = run(self.flow(S.acts))
                self.assertEqual(execution.steps.get().ended_at, NOON)
                one = clock.in_order(NOON)
            self.assertEqual(one, NOON + timedelta(microseconds=1))


class CoarseClockTests(CommittingTreeTestCase):
    """A database's clock may say the same twice, or less the second time."""

    def flow(self) -> type[Workflow]:
        return type("W", (Steps,), {"flow": chain(S.acts)})

    def test_claims_of_one_process_complete_in_order_whatever_they_take_the_time_to_be(
        self,
    ) -> None:
        worker, flow = a_worker(), self.flow()
        for _ in range(3):
            durable.start(flow)
        claims = claim_due(worker, "default", registry.kinds(), 3)
        claims[1].claimed_at -= timedelta(milliseconds=900)
        claims[2].claimed_at -= timedelta(milliseconds=1)
        times = [next_completed_at(claim) for claim in (*claims, *claims)]
        self.assertEqual(times, sorted(set(times)))

    def test_claims_of_several_processes_complete_in_the_order_of_the_databases_clock(
        self,
    ) -> None:
        worker, flow = a_worker(), self.flow()
        times = []
        for _ in range(10):
            durable.start(flow)
            (claim,) = claim_due(worker, "default", registry.kinds(), 1)
            with mock.patch.object(clock, "_latest", None):  # as if each were another process
                times.append(next_completed_at(claim))
        self.assertEqual(times, sorted(set(times)))

    @pytest.mark.only_on("sqlite")
    def test_a_claim_knows_the_microseconds_that_sqlite_does_not_tell(self) -> None:
        durable.start(self.flow())
        just_now = clock.local_now() + timedelta(microseconds=1)
        with mock.patch.object(clock, "local_now", return_value=just_now + minutes(1)):
            (claim,) = claim_due(a_worker(), "default", registry.kinds(), 1)
        self.assertEqual(claim.claimed_at, just_now + minutes(1))

    def test_a_clock_that_was_set_back_is_followed(self) -> None:
        with mock.patch.object(clock, "_latest", None):
            self.assertEqual(clock.in_order(NOON), NOON)
            self.assertEqual(clock.in_order(NOON), NOON + timedelta(microseconds=1))
            before = NOON - timedelta(hours=1)
            self.assertEqual(clock.in_order(before), before)
