"""Turns that are handed on while somebody pauses or stops the block: none slips through."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

import durable
from durable import Workflow, chain, foreach, step
from durable.authoring.nodes.tree import Foreach
from durable.authoring.parse import registry
from durable.engine.duties.inline import InlineSession
from durable.engine.parts.batch import return_unstarted
from durable.engine.row.held import Claim
from durable.engine.run.claim import claim_due
from durable.engine.run.runner import run as run_claim
from durable.models import Execution
from durable.models.fields import uuid7
from durable.testing import assert_completed, drain
from tests.cases import (
    PATIENCE,
    ThreadedTestCase,
    blocked_by_a_lock,
    elsewhere,
    open_transaction,
    until,
)


def define(**options: Any) -> None:
    class Each(Workflow):
        @step(atomic=False)
        def one(self, data: Any, item: int, index: int) -> Any:
            if item < 0:
                raise ValueError
            return item

        flow = chain(foreach("items", one, collect_as="results", **options))


def block_of(claim: Claim) -> Foreach:
    cls = registry.get(claim.workflow, claim.version)
    assert cls is not None
    node = cls.definition.tree.find(claim.parent_path)
    assert isinstance(node, Foreach)
    return node


@pytest.mark.only_on("postgresql")
class PauseTests(ThreadedTestCase):
    def test_an_item_whose_turn_comes_while_the_block_is_paused_does_not_begin(self) -> None:
        define(concurrency=1)
        execution = durable.start("each", {"items": [0, 1, 2]})
        (root,) = claim_due(uuid7(), "default", ["each@1"], 1)
        run_claim(root, InlineSession())  # opens the block
        (first,) = claim_due(uuid7(), "default", ["each@1"], 9)
        with elsewhere() as other, elsewhere() as operator:
            with open_transaction(other):
                other(lambda: run_claim(first, InlineSession()))  # it hands its turn on
                pausing = operator.begin(lambda: durable.pause(execution.id))
                until(lambda: blocked_by_a_lock() == 1)
            pausing.result(PATIENCE)
        self.assertFalse(Execution.objects.filter(ready_at__isnull=False).exists())
        drain()
        self.assertEqual(execution.children.filter(status="completed").count(), 1)
        durable.resume(execution.id)
        drain()
        assert_completed(execution)
        self.assertEqual(execution.data["results"], [0, 1, 2])


@pytest.mark.only_on("postgresql")
class StopTests(ThreadedTestCase):
    def test_what_a_batch_gives_back_while_another_item_fails_does_not_begin(self) -> None:
        define(concurrency=2, batch_size=3)
        for first in ("give back", "fail"):
            with self.subTest(first), elsewhere() as one, elsewhere() as two:
                execution = durable.start("each", {"items": [0, -1, 2, 3, 4, 5, 6, 7]})
                (root,) = claim_due(uuid7(), "default", ["each@1"], 1)
                run_claim(root, InlineSession())
                batch, failing = claim_due(uuid7(), "default", ["each@1"], 2)
                node = block_of(batch)
                rest, batch.rest = list(batch.rest), ()
                calls = [
                    partial(return_unstarted, rest, node),
                    partial(run_claim, failing, InlineSession()),
                ]
                before, after = calls if first == "give back" else calls[::-1]
                with open_transaction(one):
                    one(before)
                    later = two.begin(after)
                    until(lambda: blocked_by_a_lock() or later.done())  # noqa: B023
                later.result(PATIENCE)
                run_claim(batch, InlineSession())  # it has the turn, and would hand it on
                drain()
                execution.refresh_from_db()
                self.assertEqual(execution.status, "failed")
                began = execution.children.filter(status__in=("completed", "failed"))
                self.assertEqual(set(began.values_list("index", flat=True)), {0, 1})
