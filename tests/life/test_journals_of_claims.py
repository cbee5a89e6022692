"""A claim brings along what its visit has on record: waits and results."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

import durable
from durable import Data, Workflow, chain, hours, repeat, step
from durable.authoring.parse import registry
from durable.engine.deliver import deliver_due
from durable.engine.duties.inline import InlineSession
from durable.engine.row.held import Claim
from durable.engine.run.claim import claim_due, promote
from durable.engine.run.runner import run as run_claim
from durable.models import Execution, Wait
from durable.states import WaitStatus
from durable.testing import advance, assert_completed, drain, run, time_travel
from tests.cases import WorkflowTestCase
from tests.life.cases import a_worker


class JournalTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()

        class Hear(Workflow):
            @step
            def hear(self, data: Data) -> Data:
                return {**data, "got": self.wait_for_event("go"), "n": data.get("n", 0) + 1}

            flow = repeat(hear, until=lambda data: data["n"] == 3)

    def claims(self, limit: int = 100) -> list[Claim]:
        promote()
        return claim_due(a_worker(), "default", registry.kinds(), limit)

    def woken(self, many: int) -> None:
        ids = [execution.pk for execution in durable.start_many("hear", [{} for _ in range(many)])]
        drain()
        for pk in ids:
            durable.send_event(pk, "go", str(pk))
        deliver_due()

    def test_many_cost_as_many_statements_as_one(self) -> None:
        counts = []
        for many in (1, 8):
            self.woken(many)
            with CaptureQueriesContext(connection) as sent:
                self.assertEqual(len(self.claims()), many)
            counts.append(len(sent))
        self.assertEqual(counts[0], counts[1])

    def test_the_step_that_goes_on_reads_nothing_before_its_checkpoint(self) -> None:
        self.woken(1)
        (claim,) = self.claims()
        session, tables = InlineSession(), []
        commit = session.commit

        def note(checkpoint: Any) -> Any:
            tables.append(len(sent))
            return commit(checkpoint)

        session.commit = note  # type: ignore[method-assign]
        with CaptureQueriesContext(connection) as sent:
            run_claim(claim, session)
        reads = [one for one in sent.captured_queries[: tables[0]] if "SAVEPOINT" not in one["sql"]]
        self.assertEqual(reads, [])

    def test_it_has_the_waits_of_its_visit_alone(self) -> None:
        class Rounds(Workflow):
            @step
            def hear(self, data: Data) -> Data:
                self.wait_for_event("go")
                if not data.get("n"):
                    self.wait_for_event("more")
                return {"n": data.get("n", 0) + 1}

            flow = repeat(hear, until=lambda data: data["n"] == 2)

        execution = run(Rounds)
        for name in ("go", "more"):
            durable.send_event(execution.pk, name)
        drain()
        durable.send_event(execution.pk, "go")
        deliver_due()
        (claim,) = self.claims()
        waits = claim.read_journal().waits
        self.assertEqual(list(waits), [("event", "go", 0)])
        self.assertEqual([wait.visit for wait in waits.values()], [2])

    def test_it_is_for_the_place_at_which_it_was_read(self) -> None:
        self.woken(1)
        (claim,) = self.claims()
        Wait.objects.update(answer="another")
        claim.at = claim.at.with_records()
        (wait,) = claim.read_journal().waits.values()
        self.assertEqual(wait.answer, "another")

    def test_it_is_for_the_first_attempt_only(self) -> None:
        self.woken(1)
        (claim,) = self.claims()
        first = claim.read_journal()
        first.place("event", "go")
        self.assertIsNot(claim.read_journal(), first)

    def test_what_was_run_is_not_run_again(self) -> None:
        ran: list[str] = []

        class Runs(Workflow):
            @step(atomic=False)
            def only(self, data: Data) -> Data:
                self.run(ran.append, "x", name="note")
                self.sleep(hours(1))
                return data

        with time_travel():
            execution = run(Runs)
            advance(hours=2)
        assert_completed(execution)
        self.assertEqual(ran, ["x"])

    def test_a_wait_that_the_last_step_does_without_is_closed(self) -> None:
        class Maybe(Workflow):
            asks = True

            @step
            def only(self, data: Data) -> Data:
                if Maybe.asks:
                    self.wait_for_event("go")
                return data

            flow = chain(only)

        execution = run(Maybe)
        Maybe.asks = False
        Execution.objects.filter(pk=execution.pk).due()
        drain()
        assert_completed(execution)
        self.assertEqual(Wait.objects.get().status, WaitStatus.CANCELLED)
