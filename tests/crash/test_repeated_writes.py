"""Each engine function that outlasts a lost connection: its COMMIT went through, it is repeated.

It ends as if it had been told of its success: the same result, the same rows, no error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from unittest import mock

import durable
from durable import (
    Data,
    Retry,
    Workflow,
    WorkflowMeta,
    catch,
    chain,
    foreach,
    minutes,
    parallel,
    step,
)
from durable.authoring.parse import registry
from durable.engine.duties.inline import InlineSession
from durable.engine.ends import direct, release
from durable.engine.ends.checkpoint import Checkpoint
from durable.engine.parts import batch, fan_out
from durable.engine.row import failures
from durable.engine.row.held import Claim
from durable.engine.row.journal import Journal
from durable.engine.row.position import Position
from durable.engine.row.settled import settled_by
from durable.engine.run import suspend
from durable.engine.run.attempt import Completed, Parked, StepAttempt
from durable.engine.run.step_context import StepContext
from durable.engine.run.work import Forward
from durable.engine.undo import fail, rollback
from durable.errors import ClaimLost, DurableError, NotSerializable
from durable.models import Execution, Record, StepRun, Wait
from durable.models.fields import Stored
from durable.states import Status, StepStatus
from durable.storage import reconnect
from tests.crash.armed import lose_the_answer, lose_the_request, once
from tests.life.cases import a_worker, claim_as
from tests.parts.leftovers import CommittingTreeTestCase

Call = Callable[[], Any]


class Child(Workflow):
    """What is called."""

    class Meta(WorkflowMeta):
        name = "repeated_child"

    @step
    def one(self, data: Data) -> Data:
        self.wait_for_event("never")
        return data


class Repeated(Workflow):
    """Steps at which claims are taken; the tests call the engine's functions by themselves."""

    class Meta(WorkflowMeta):
        abstract = True

    sent: ClassVar[bool] = False

    @step
    def one(self, data: Data) -> Data:
        return {**data, "one": True}

    @one.compensate
    def un_one(self, data: Data) -> None:
        pass

    @step(retry=Retry(max_attempts=2, base=minutes(1), jitter=0))
    def fails(self, data: Data) -> Data:
        raise durable.Fail("no", type="declined")

    @step
    def waits(self, data: Data) -> Data:
        self.log.warning("asking")
        self.start_workflow("repeated_child", {"started": True})
        return {**data, "got": self.wait_for_event("go")}

    @step
    def hears(self, data: Data) -> Data:
        return {**data, "got": self.wait_for_event("go")}

    @step
    def calls(self, data: Data) -> Data:
        return {**data, "got": self.call_workflow("repeated_child")}

    @step
    def each(self, data: Data, item: Any, index: int) -> Data:
        return {**data, f"i{index}": item}


R = Repeated


def seen() -> list[Any]:
    """All that a repetition could have changed, without ids and times."""
    rows = Execution.objects.order_by("created_at", "index", "id")
    found: list[Any] = [
        (
            *(row.workflow, row.role, row.index, row.branch, row.status, row.path, row.visit),
            *(row.attempt, row.attempt_floor, row.recoveries, row.fence, row.journaled),
            *(row.worker is None, row.ready_at is None, row.wake_at is None, row.released),
            *(row.unreported, row.blocked_by, (row.error or {}).get("type"), row.data),
            *(row.cancel_requested_at is None, row.cancel_reason, row.finished_at is None),
            sorted(row.frames or {}),
        )
        for row in rows
    ]
    found += Wait.objects.order_by("path", "name").values_list("kind", "name", "status", "told")
    found += StepRun.objects.order_by("path", "attempt", "compensation").values_list(
        "path", "attempt", "compensation", "status", "logs"
    )
    found += Record.objects.order_by("name").values_list("kind", "name")
    return found


class RepeatedWriteTests(CommittingTreeTestCase):
    """Undisturbed, cut off after the COMMIT, cut off before it: all the same."""

    def setUp(self) -> None:
        super().setUp()
        registry.register(Child)
        self.session = InlineSession()

    def flow(self, *nodes: Any, **meta: Any) -> type[Workflow]:
        options = type("Meta", (WorkflowMeta,), {"name": "w", **meta})
        return type("W", (Repeated,), {"flow": chain(*nodes), "Meta": options})

    def claim(self, *nodes: Any, input: Any = None, **meta: Any) -> Claim:
        """The claim of a new execution of these nodes."""
        self.execution = durable.start(self.flow(*nodes, **meta), input)
        return claim_as(a_worker())

    def done(self, claim: Claim) -> Claim:
        """The same, after its first step."""
        outcome = self.attempt(claim).run()
        assert isinstance(outcome, Completed)
        checkpoint = outcome.checkpoint
        assert direct.commit(checkpoint) is not None
        claim.at = checkpoint.to
        claim.data = checkpoint.data or claim.data
        return claim

    def attempt(self, claim: Claim) -> StepAttempt:
        definition = registry.latest(claim.workflow).definition
        leaf: Any = definition.tree.find(claim.at.path)
        return StepAttempt(claim, Forward(claim, definition, leaf.step), self.session)

    def assertRepeatable(self, arrange: Callable[[], Call], *, told: bool = True) -> Any:
        """``arrange`` prepares one call of a function; it has the same outcome in each case."""
        outcomes: list[Any] = []
        for lose in (None, lose_the_answer, lose_the_request):
            Execution.objects.all().delete()
            call = arrange()
            if lose is None:
                result = call()
            else:
                with (
                    once(lambda conn: True, lose),
                    mock.patch.object(reconnect, "LONGEST_PAUSE", 0),
                    self.assertNoLogs(level="WARNING"),
                ):
                    result = call()
            outcomes.append((result, seen()))
            with self.subTest(lose):
                self.assertEqual(outcomes[-1], outcomes[0])
        return outcomes[0][0]

    # -- letting go --------------------------------------------------------------------------

    def test_a_claim_is_let_go_once(self) -> None:
        error = DurableError("it does not fit")
        for name, function, arguments, status in (
            ("park", release.park, (), Status.WAITING),
            ("give_back", release.give_back, (), Status.PENDING),
            ("block", release.block, (error,), Status.BLOCKED),
            ("block_for_child", release.block_for_child, ("other@1",), Status.BLOCKED),
        ):
            with self.subTest(name):

                def arrange(function: Any = function, arguments: Any = arguments) -> Call:
                    claim = self.claim(R.one)
                    return lambda: function(claim, *arguments)

                self.assertRepeatable(arrange)
                self.assertEqual(Execution.objects.get().status, status)

    def test_asked_to_pause_or_cancel_meanwhile_it_says_where_the_row_is(self) -> None:
        for ask, status in ((durable.pause, Status.PAUSED), (durable.cancel, Status.CANCELLED)):
            with self.subTest(status):

                def arrange(ask: Any = ask) -> Call:
                    claim = self.claim(R.one)
                    ask(claim.execution_id)
                    return lambda: release.give_back(claim)

                self.assertRepeatable(arrange)
                self.assertEqual(Execution.objects.get().status, status)

    def test_an_execution_is_completed_once(self) -> None:
        def arrange() -> Call:
            claim = self.claim(R.one)
            Execution.objects.filter(pk=claim.execution_id).update(path="")
            claim.at = Position("")
            return lambda: release.complete(claim, in_sequence=False)

        self.assertRepeatable(arrange)
        self.assertEqual(Execution.objects.get().status, Status.COMPLETED)

    def test_a_claim_that_another_has_taken_over_stays_lost(self) -> None:
        claim = self.claim(R.one)

        def lose(conn: Any) -> None:
            conn.connection.rollback()
            Execution.objects.filter(pk=claim.execution_id).update(
                status=Status.PENDING, worker=None, fence=claim.fence + 1
            )
            lose_the_answer(conn)

        with once(lambda conn: True, lose), self.assertRaises(ClaimLost):
            release.give_back(claim)

    # -- steps ---------------------------------------------------------------------------------

    def test_a_checkpoint_is_written_once(self) -> None:
        def arrange() -> Call:
            claim = self.claim(R.one, R.fails)
            outcome = self.attempt(claim).run()
            assert isinstance(outcome, Completed)
            return lambda: direct.commit(outcome.checkpoint)

        self.assertIsNotNone(self.assertRepeatable(arrange))

    def test_the_checkpoints_of_a_batch_are_written_once_and_say_what_was_asked(self) -> None:
        def arrange() -> Call:
            durable.start_many(self.flow(R.one), [{}, {}])
            claims = [claim_as(a_worker()) for _ in range(2)]
            outcomes = [self.attempt(claim).run() for claim in claims]
            checkpoints = [one.checkpoint for one in outcomes if isinstance(one, Completed)]
            durable.cancel(claims[1].execution_id)

            def write() -> list[bool]:
                accepted = direct.commit_all(checkpoints)
                return [accepted[claim.execution_id].cancel_requested for claim in claims]

            return write

        self.assertEqual(self.assertRepeatable(arrange), [False, True])

    def test_a_failed_attempt_is_written_down_once(self) -> None:
        for name, nodes, delay in (
            ("another follows", (R.fails,), minutes(1)),
            ("the last", (R.fails,), None),
            ("the last, with something to undo", (R.one, R.fails), None),
            ("the last, in a catch", (catch(chain(R.fails), {"declined": R.one}),), None),
        ):
            with self.subTest(name):

                def arrange(nodes: Any = nodes, delay: Any = delay) -> Call:
                    claim = self.claim(*nodes)
                    if len(nodes) > 1:
                        self.done(claim)
                    attempt = self.attempt(claim)
                    attempt.run()
                    failure = fail.describe(claim, durable.Fail("no", type="declined"))
                    record = attempt.record(
                        StepStatus.FAILED,
                        ended_at=claim.now(),
                        error=failures.encode(failure.error),
                    )
                    return lambda: fail.fail_attempt(claim, record, failure, delay)

                self.assertEqual(self.assertRepeatable(arrange), delay is not None)

    def test_a_result_is_remembered_once(self) -> None:
        def arrange() -> Call:
            claim = self.claim(R.one)
            work = Forward(claim, registry.latest("w").definition)
            context = StepContext(work, self.session, Journal(claim.at.path), name="one")
            return lambda: context._remember(("run", "f", 0), Stored("5"))

        self.assertEqual(self.assertRepeatable(arrange), 5)

    # -- waits ---------------------------------------------------------------------------------

    def parks(self, node: Any, *, sent: bool = False) -> Callable[[], Call]:
        def arrange() -> Call:
            claim = self.claim(node)
            if sent:
                durable.send_event(claim.execution_id, "go", 5)
            attempt = self.attempt(claim)
            outcome = attempt.run()
            assert isinstance(outcome, Parked)
            record = attempt.record(StepStatus.WAITING, ended_at=None)
            return lambda: suspend.park(
                claim, outcome.request, attempt.journal, record, attempt.extras(), self.session
            )

        return arrange

    def test_a_park_is_made_once_with_what_the_body_has_started(self) -> None:
        self.assertIs(self.assertRepeatable(self.parks(R.waits)), True)

    def test_a_park_that_found_its_answer_keeps_the_claim(self) -> None:
        self.assertIs(self.assertRepeatable(self.parks(R.waits, sent=True)), False)

    def test_a_park_that_needs_nothing_else_is_made_once(self) -> None:
        self.assertIs(self.assertRepeatable(self.parks(R.hears)), True)
        self.assertIs(self.assertRepeatable(self.parks(R.hears, sent=True)), False)

    def test_a_park_makes_its_child_once(self) -> None:
        self.assertIs(self.assertRepeatable(self.parks(R.calls)), True)

    def test_a_park_whose_commit_was_still_on_its_way_when_it_looked_ends_the_same(self) -> None:
        looks: list[Any] = []

        def too_early(*args: Any, **_: Any) -> bool | None:
            looks.append(args)
            return None if len(looks) == 1 else suspend._parked_before(*args)

        alone: Any = suspend.park_alone
        park: Any = settled_by(too_early)(alone.__wrapped__)
        for node, sent in ((R.waits, False), (R.waits, True), (R.hears, False)):
            with self.subTest(node, sent=sent), mock.patch.object(suspend, "park_alone", park):
                looks.clear()
                Execution.objects.all().delete()
                call = self.parks(node, sent=sent)()
                with once(lambda conn: True, lose_the_answer):
                    self.assertIs(call(), not sent)
                self.assertEqual(len(looks), 2)

    # -- parts ---------------------------------------------------------------------------------

    def test_a_block_is_opened_once(self) -> None:
        def branches() -> Call:
            claim = self.claim(parallel(R.one, b=R.one))
            node: Any = registry.latest("w").definition.tree.find(claim.at.path)
            return lambda: fan_out.open_parallel(claim, node)

        def items() -> Call:
            claim = self.claim(foreach("items", R.each), input={"items": [1, 2]})
            node: Any = registry.latest("w").definition.tree.find(claim.at.path)
            return lambda: fan_out.open_foreach(claim, node, iter([1, 2]))

        self.assertRepeatable(branches)
        with self.subTest("foreach"):  # its items are read once: only a commit that is in counts
            Execution.objects.all().delete()
            self.assertTrue(items()())
            before = seen()
            Execution.objects.all().delete()
            call = items()
            with once(lambda conn: True, lose_the_answer):
                self.assertTrue(call())
            self.assertEqual(seen(), before)

    def test_what_a_batch_has_not_begun_is_given_back_once(self) -> None:
        def arrange() -> Call:
            node = foreach("items", R.each, batch_size=3, concurrency=2)
            durable.start(self.flow(node), {"items": [1, 2, 3, 4, 5]})
            parent = claim_as(a_worker())
            found: Any = registry.latest("w").definition.tree.find(parent.at.path)
            fan_out.open_foreach(parent, found, [1, 2, 3, 4, 5])
            first = claim_as(a_worker())
            claims = list(first.rest)
            claims[0].released = True
            Execution.objects.filter(pk=claims[0].execution_id).update(released=True)
            return lambda: batch.return_unstarted(claims, found)

        self.assertRepeatable(arrange)

    def test_a_batch_gives_back_the_rest_of_it_when_one_is_not_its_own_any_more(self) -> None:
        node = foreach("items", R.each, batch_size=3, concurrency=2)
        durable.start(self.flow(node), {"items": [1, 2, 3, 4, 5]})
        parent = claim_as(a_worker())
        found: Any = registry.latest("w").definition.tree.find(parent.at.path)
        fan_out.open_foreach(parent, found, [1, 2, 3, 4, 5])
        claims = list(claim_as(a_worker()).rest)
        claims[0].released = True
        Execution.objects.filter(pk=claims[0].execution_id).update(fence=9)
        batch.return_unstarted(claims, found)
        row = Execution.objects.get(pk=claims[1].execution_id)
        self.assertEqual((row.status, row.released), (Status.PENDING, False))

    # -- rollback --------------------------------------------------------------------------------

    def rolling(self, *nodes: Any, **meta: Any) -> tuple[Claim, Any]:
        """A claim at ``~``, the step before it done."""
        claim = self.done(self.claim(*nodes, **meta))
        fail.fail_attempt(claim, None, fail.describe(claim, durable.Fail("no", type="no")), None)
        claim = claim_as(a_worker())
        assert claim.at.path == "~", claim.at.path
        return claim, registry.latest("w").definition

    def test_the_next_step_to_undo_is_taken_up_once(self) -> None:
        def arrange() -> Call:
            claim, definition = self.rolling(R.one, R.fails)

            def look() -> Any:
                found = rollback.look(claim, definition)
                row = Execution.objects.get(pk=claim.execution_id)
                at = (row.path, row.attempt, row.attempt_floor, row.status)
                here = (claim.at.path, claim.at.attempt, claim.at.floor, claim.status)
                self.assertEqual(here, at)
                self.assertEqual(row.path, f"~{StepRun.objects.get(path='one').pk}")
                Execution.objects.update(path="taken up")  # no two runs have the same id
                return found, at[1:]

            return look

        self.assertRepeatable(arrange)

    def test_a_step_that_an_earlier_look_has_found_is_taken_up_once(self) -> None:
        def arrange() -> Call:
            claim = self.done(self.done(self.claim(R.one, R.one.named("two"), R.fails)))
            failure = fail.describe(claim, durable.Fail("no", type="no"))
            fail.fail_attempt(claim, None, failure, None)
            claim, definition = claim_as(a_worker()), registry.latest("w").definition
            rollback.look(claim, definition)
            assert claim.at.rollback is not None
            self.assertEqual([run.path for run in claim.to_undo], ["one"])
            at = claim.at.to_undo(claim.at.rollback.one_undone())
            claim.row().stand_at(**at.since(claim.at))
            claim.at = at

            def look() -> Any:
                rollback.look(claim, definition)
                taken = StepRun.objects.get(pk=claim.at.undone_run).path
                Execution.objects.update(path="taken up")  # no two runs have the same id
                return taken, claim.to_undo

            return look

        self.assertEqual(self.assertRepeatable(arrange), ("one", ()))

    def test_a_rollback_ends_once(self) -> None:
        def arrange() -> Call:
            claim, definition = self.rolling(R.one, R.fails)
            run = StepRun.objects.get(path="one")
            assert claim.at.rollback is not None
            claim.at = claim.at.to_undo(claim.at.rollback.passing_over(str(run.pk)))
            return lambda: (rollback.look(claim, definition), claim.at.path)

        self.assertRepeatable(arrange)
        self.assertEqual(Execution.objects.get().status, "compensation_failed")

    def test_out_of_a_catch_it_fails_once(self) -> None:
        def arrange() -> Call:
            claim = self.claim(catch(chain(R.fails), {"declined": R.one}))
            failure = fail.describe(claim, durable.Fail("no", type="declined"))
            fail.fail_attempt(claim, None, failure, None)
            claim = claim_as(a_worker())
            definition = registry.latest("w").definition
            assert isinstance(rollback.look(claim, definition), Checkpoint)
            error = NotSerializable("data", "too large", step="fails")
            return lambda: fail.fail_out_of_catch(claim, definition, error)

        self.assertRepeatable(arrange)
        self.assertEqual(Execution.objects.get().status, "failed")
