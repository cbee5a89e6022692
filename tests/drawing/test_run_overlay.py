"""A run on the drawing of its flow: what is done, where it is, which way it took."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any, ClassVar
from unittest import mock

from django.db import connection
from django.test.utils import CaptureQueriesContext

import durable
from durable import (
    Fail,
    Retry,
    Workflow,
    WorkflowMeta,
    branch,
    call_workflow,
    catch,
    chain,
    foreach,
    hours,
    minutes,
    parallel,
    repeat,
    sleep,
    step,
    wait_for_approval,
    wait_for_event,
)
from durable.authoring.nodes.graph import graph
from durable.drawing import Overlay, Progress
from durable.models import Execution, Wait
from durable.showing.run.overlay import run_overlay, tree_of_run
from durable.testing import advance, drain, run, time_travel
from tests import flows
from tests.cases import WorkflowTestCase


class Shop(Workflow):
    """Steps to build flows of; ``data`` says which of them fail, and how."""

    class Meta(WorkflowMeta):
        abstract = True

    seen: ClassVar[dict[str, Any]] = {}

    @step
    def one(self, data: Any) -> None: ...
    @step
    def two(self, data: Any) -> None: ...
    @step
    def three(self, data: Any) -> None: ...

    @step(retry=Retry(max_attempts=3, base=minutes(5), jitter=0))
    def charge(self, data: Any) -> Any:
        if self.attempt <= data.get("bad_attempts", 0):
            raise ValueError("not yet")
        if data.get("declined"):
            raise Fail("no money", type="card_declined")

    @charge.compensate
    def refund(self, data: Any) -> None: ...

    @step
    def book(self, data: Any) -> None: ...

    @book.compensate
    def unbook(self, data: Any) -> None:
        if data.get("booked_for_good"):
            raise Fail("it stays booked")

    @step
    def count(self, data: Any) -> Any:
        return {**data, "n": data.get("n", 0) + 1, "enough": data.get("n", 0) + 1 >= data["wanted"]}

    @step
    def look(self, data: Any) -> None:
        self.seen["overlay"] = overlay(Execution.objects.get(pk=self.id))

    @step
    def send(self, data: Any, item: Any, index: int) -> Any:
        if item == "bad":
            raise Fail("broken", type="Bounced")
        if item == "wait":
            self.wait_for_event("sent")
        return {**data, "kind": item}

    @step
    def note(self, data: Any, item: Any, index: int) -> None: ...


S = Shop


def overlay(execution: Execution) -> Overlay:
    execution = Execution.objects.get(pk=execution.pk)
    tree = tree_of_run(execution)
    assert tree is not None
    return run_overlay(execution, tree)


class OverlayTestCase(WorkflowTestCase):
    def flow(self, *parts: Any, **meta: Any) -> type[Workflow]:
        """A workflow of the shop's steps."""
        options = type("Meta", (WorkflowMeta,), {"name": "w", **meta})
        made: Any = type("W", (Shop,), {"flow": chain(*parts), "Meta": options, "seen": {}})
        return made  # type: ignore[no-any-return]

    def states(self, execution: Execution, *paths: str) -> dict[str, str]:
        """The statuses of nodes, all or some; the words about a state, if there are any."""
        found = overlay(execution)
        tree = tree_of_run(execution)
        assert tree is not None
        wanted = paths or [node.path for node in graph(tree).nodes]
        return {path: found.state(path).status for path in wanted}

    def assertTaken(self, execution: Execution, *ways: str) -> None:
        """Just these bodies were entered."""
        self.assertEqual(sorted(overlay(execution).ways), sorted(ways))


class ChainTests(OverlayTestCase):
    def test_before_it_begins_all_is_pending_and_it_stands_at_its_first_step(self) -> None:
        execution = durable.start(self.flow(S.one, S.two))
        self.assertEqual(set(self.states(execution).values()), {"pending"})
        self.assertTrue(overlay(execution).state("one").here)
        self.assertFalse(overlay(execution).taken("#start", "one", ""))

    def test_a_run_that_starts_later_says_when(self) -> None:
        with time_travel():
            at = advance(hours=1)
            execution = durable.start(self.flow(S.one), scheduled_at=at + hours(2))
            state = overlay(execution).state("one")
            self.assertEqual((state.status, state.detail[:7]), ("pending", "starts "))

    def test_a_completed_run_is_done_from_start_to_end(self) -> None:
        execution = run(self.flow(S.one, S.two))
        self.assertEqual(set(self.states(execution).values()), {"done"})
        found = overlay(execution)
        self.assertTrue(found.completed)
        self.assertTrue(found.taken("#start", "one", ""))
        self.assertTrue(found.taken("two", "#end", ""))
        self.assertIn(str(execution.pk), found.title)

    def test_the_step_that_is_running_is_seen_from_outside(self) -> None:
        w = self.flow(S.one, S.look, S.two)
        run(w)
        seen = vars(w)["seen"]["overlay"]
        states = [seen.state(path) for path in ("#start", "one", "look", "two", "#end")]
        self.assertEqual(
            [state.status for state in states], ["done", "done", "running", "pending", "pending"]
        )
        self.assertTrue(states[2].here)
        self.assertTrue(seen.taken("one", "look", ""))
        self.assertFalse(seen.taken("look", "two", ""))

    def test_a_step_between_attempts_waits_for_the_next(self) -> None:
        with time_travel():
            execution = run(self.flow(S.charge, S.one), {"bad_attempts": 2})
            state = overlay(execution).state("charge")
            self.assertEqual((state.status, state.attempts), ("waiting", 2))
            self.assertRegex(state.detail, r"^retry \d+ \w+ \d\d:\d\d$")
            advance(hours=1)
            state = overlay(execution).state("charge")
            self.assertEqual((state.status, state.attempts, state.detail), ("done", 3, ""))

    def test_waits_say_what_for(self) -> None:
        with time_travel():
            for part, detail in (
                (wait_for_event("paid", name="x"), "^paid$"),
                (wait_for_event("paid", name="paid"), "^$"),
                (wait_for_approval("boss", name="x"), "^boss$"),
                (wait_for_approval("x", name="x", timeout=hours(1)), r"^until \d+ \w+ \d\d:\d\d$"),
                (sleep(hours(3), name="x"), r"^until \d+ \w+ \d\d:\d\d$"),
            ):
                with self.subTest(detail=detail), durable.testing.isolate_workflows():
                    execution = run(self.flow(S.one, part, S.two))
                    waiting = [s for s in overlay(execution).states.values() if s.here]
                    self.assertEqual([state.status for state in waiting], ["waiting"])
                    self.assertRegex(waiting[0].detail, detail)

    def test_a_wait_for_any_of_several_events_names_them(self) -> None:
        class W(Workflow):
            @step
            def wait(self, data: Any) -> None:
                self.wait_for_any(["paid", "failed"])

        self.assertEqual(overlay(run(W)).state("wait").detail, "paid, failed")

    def test_a_failed_run_shows_where_and_why_and_never_reached_the_rest(self) -> None:
        execution = run(self.flow(S.one, S.charge, S.two), {"declined": True})
        self.assertEqual(
            self.states(execution),
            {
                "#start": "done",
                "one": "done",
                "charge": "failed",
                "two": "skipped",
                "#end": "skipped",
            },
        )
        state = overlay(execution).state("charge")
        self.assertEqual((state.detail, state.here), ("card_declined", False))

    def test_a_retried_run_goes_on_where_it_failed(self) -> None:
        w = self.flow(S.one, S.charge, S.two)
        execution = run(w, {"declined": True})
        with durable.testing.replace_step(w, "charge", lambda self, data: data):
            durable.retry(execution.pk)
            self.assertEqual(self.states(execution, "charge", "two")["charge"], "pending")
            drain()
        self.assertEqual(set(self.states(execution).values()), {"done"})

    def test_paused_blocked_and_cancelled_show_where_the_run_stands(self) -> None:
        execution = run(self.flow(S.one, wait_for_event("go"), S.two))
        durable.pause(execution.pk)
        self.assertEqual(self.states(execution, "go"), {"go": "paused"})
        durable.resume(execution.pk)
        self.assertEqual(self.states(execution, "go"), {"go": "waiting"})
        durable.cancel(execution.pk, "enough")
        self.assertEqual(
            self.states(execution, "one", "go", "two", "#end"),
            {"one": "done", "go": "cancelled", "two": "skipped", "#end": "skipped"},
        )

    def test_a_blocked_run_says_why(self) -> None:
        class W(Workflow):
            @step
            def wait(self, data: Any) -> None:
                self.wait_for_event(data["event"])

        execution = run(W, {"event": "a"})

        def other(self: Any, data: Any) -> None:
            self.wait_for_event("b")

        with durable.testing.replace_step(W, "wait", other):
            durable.send_event(execution.pk, "a")
            drain()
        state = overlay(execution).state("wait")
        self.assertEqual((state.status, state.detail), ("blocked", "JournalMismatch"))

    def test_a_wait_for_a_child_shows_the_child(self) -> None:
        class Child(Workflow):
            @step
            def rest(self, data: Any) -> None:
                self.wait_for_event("go")

        execution = run(self.flow(call_workflow(Child, name="ship"), S.one))
        self.assertEqual(
            self.states(execution, "ship", "one"), {"ship": "waiting", "one": "pending"}
        )

    def test_a_rerun_from_a_step_has_skipped_what_is_before_it(self) -> None:
        w = self.flow(S.one, branch("x", {1: S.two}), S.count)
        old = run(w, {"wanted": 1})
        again = durable.rerun(old.pk, from_step="count")
        drain()
        self.assertEqual(
            self.states(again, "one", "x", "x/1/two", "count"),
            {"one": "skipped", "x": "skipped", "x/1/two": "skipped", "count": "done"},
        )
        self.assertTaken(again)

    def test_steps_that_are_no_longer_in_the_flow_are_left_out(self) -> None:
        execution = run(self.flow(S.one, S.two))
        with durable.testing.isolate_workflows():
            changed = self.flow(S.two, S.three)
            found = run_overlay(execution, changed.definition.tree)
            self.assertEqual(found.state("two").status, "done")
            self.assertEqual(found.state("three").status, "skipped")


class RollbackTests(OverlayTestCase):
    def test_what_was_undone_is_told_from_what_failed(self) -> None:
        execution = run(self.flow(S.one, S.book, S.charge), {"declined": True})
        execution.refresh_from_db()
        self.assertEqual(execution.status, "compensated")
        self.assertEqual(
            self.states(execution, "one", "book", "charge"),
            {"one": "done", "book": "compensated", "charge": "failed"},
        )
        self.assertEqual(overlay(execution).state("charge").detail, "card_declined")

    def test_a_step_that_could_not_be_undone_says_so(self) -> None:
        execution = run(self.flow(S.book, S.charge), {"declined": True, "booked_for_good": True})
        state = overlay(execution).state("book")
        self.assertEqual((state.status, state.detail), ("failed", "could not be undone"))

    def test_the_step_that_is_being_undone_is_seen(self) -> None:
        w = self.flow(S.one, S.book, S.charge)
        seen = []

        def watched(self: Any, data: Any) -> None:
            seen.append(overlay(Execution.objects.get()))

        compensation = w.definition.tree.leaves()[1].step.compensation
        with mock.patch.object(compensation, "function", watched):
            run(w, {"declined": True})
        (found,) = seen
        state = found.state("book")
        self.assertEqual((state.status, state.detail), ("running", "being undone"))
        self.assertEqual(found.state("charge").status, "failed")

    def test_a_run_that_was_cancelled_and_undone_has_not_failed(self) -> None:
        execution = run(self.flow(S.book, wait_for_event("go"), S.one))
        durable.cancel(execution.pk, "enough", compensate=True)
        drain()
        self.assertEqual(
            self.states(execution, "book", "go", "one"),
            {"book": "compensated", "go": "cancelled", "one": "skipped"},
        )


class BranchTests(OverlayTestCase):
    def test_the_case_that_was_taken_stands_out_and_the_others_were_skipped(self) -> None:
        w = self.flow(branch("x", {1: S.one, 2: chain(S.two, wait_for_event("go"))}, S.three))
        execution = run(w, {"x": 2})
        self.assertEqual(
            self.states(execution, "x", "x/1/one", "x/2/two", "x/2/go", "x/default/three"),
            {
                "x": "done",
                "x/1/one": "skipped",
                "x/2/two": "done",
                "x/2/go": "waiting",
                "x/default/three": "skipped",
            },
        )
        self.assertTaken(execution, "x/2")

    def test_cases_are_open_before_the_branch_is_reached(self) -> None:
        execution = run(self.flow(wait_for_event("go"), branch("x", {1: S.one}, S.two)))
        self.assertEqual(
            set(self.states(execution, "x", "x/1/one", "x/default/two").values()), {"pending"}
        )

    def test_a_branch_without_a_fitting_case_was_passed_by(self) -> None:
        execution = run(self.flow(branch("x", {1: S.one}), S.two), {"x": 5})
        self.assertEqual(
            self.states(execution, "x", "x/1/one", "two"),
            {"x": "done", "x/1/one": "skipped", "two": "done"},
        )
        self.assertTaken(execution, "x#otherwise")

    def test_a_way_that_leaves_no_trace_is_not_guessed(self) -> None:
        flow = (branch("x", {1: foreach("items", S.note)}), S.two)
        execution = run(self.flow(*flow), {"x": 1, "items": []})
        self.assertEqual(self.states(execution, "x"), {"x": "done"})
        self.assertTaken(execution)

    def test_a_choice_that_fails_is_shown_at_its_branch(self) -> None:
        def broken(data: Any) -> Any:
            raise KeyError("x")

        execution = run(self.flow(S.one, branch(broken, {1: S.two}, name="x")))
        self.assertEqual(
            self.states(execution, "one", "x", "x/1/two"),
            {"one": "done", "x": "failed", "x/1/two": "skipped"},
        )
        self.assertEqual(overlay(execution).state("x").detail, "KeyError")


class ParallelTests(OverlayTestCase):
    def test_each_branch_has_a_place_of_its_own(self) -> None:
        w = self.flow(
            parallel(a=chain(S.one, S.two), b=chain(S.three, wait_for_event("go"))), S.count
        )
        execution = run(w, {"wanted": 1})
        self.assertEqual(
            self.states(
                execution, "parallel", "parallel/a/two", "parallel/b/three", "parallel/b/go"
            ),
            {
                "parallel": "running",
                "parallel/a/two": "done",
                "parallel/b/three": "done",
                "parallel/b/go": "waiting",
            },
        )
        self.assertEqual(overlay(execution).state("parallel").progress, Progress(1, 2))
        self.assertEqual(self.states(execution, "parallel#join"), {"parallel#join": "pending"})
        self.assertTaken(execution, "parallel/a", "parallel/b")
        durable.send_event(execution.pk, "go")
        drain()
        self.assertEqual(set(self.states(execution).values()), {"done"})

    def test_a_branch_that_fails_fails_the_block(self) -> None:
        w = self.flow(parallel(a=chain(S.one, wait_for_event("go")), b=S.charge), S.two)
        execution = run(w, {"declined": True})
        self.assertEqual(
            self.states(execution),
            {
                "#start": "done",
                "parallel": "failed",
                "parallel/a/one": "done",
                "parallel/a/go": "cancelled",
                "parallel/b/charge": "failed",
                "parallel#join": "skipped",
                "two": "skipped",
                "#end": "skipped",
            },
        )

    def test_branches_in_branches_are_found(self) -> None:
        inner = parallel(c=S.two, d=wait_for_event("go"), name="inner")
        execution = run(self.flow(parallel(a=chain(S.one, inner), b=S.three, name="outer")))
        self.assertEqual(
            self.states(execution, "outer/a/inner", "outer/a/inner/c/two", "outer/a/inner/d/go"),
            {
                "outer/a/inner": "running",
                "outer/a/inner/c/two": "done",
                "outer/a/inner/d/go": "waiting",
            },
        )

    def test_what_branches_have_done_is_undone_with_the_whole(self) -> None:
        w = self.flow(parallel(a=S.book, b=S.one), S.charge)
        execution = run(w, {"declined": True})
        self.assertEqual(
            self.states(execution, "parallel", "parallel/a/book", "charge"),
            {"parallel": "done", "parallel/a/book": "compensated", "charge": "failed"},
        )


class ForeachTests(OverlayTestCase):
    def each(self, **options: Any) -> Any:
        body = chain(S.send, branch("kind", {"a": S.note.named("note_a")}), S.note)
        return foreach("items", body, name="each", **options)

    def test_progress_counts_the_items_and_each_step_counts_its_own(self) -> None:
        w = self.flow(self.each(concurrency=9, on_error="continue"), S.one)
        execution = run(w, {"items": ["a", "a", "b", "bad", "wait"]})
        found = overlay(execution)
        self.assertEqual(found.state("each").status, "running")
        self.assertEqual(str(found.state("each").progress), "3/5, 1 failed")
        self.assertTrue(found.state("each").here)
        self.assertEqual(found.state("each/do/send").status, "waiting")
        self.assertEqual(found.state("each/do/send").progress, Progress(3, 5, 1))
        self.assertEqual(found.state("each/do/kind/a/note_a").progress, Progress(2, 2))
        self.assertEqual(found.state("each/do/note").status, "done")
        self.assertEqual(found.state("one").status, "pending")
        self.assertEqual(found.ways, {"each/do", "each/do/kind/a"})
        durable.send_event(Wait.objects.open().get().execution_id, "sent")
        drain()
        found = overlay(execution)
        self.assertEqual(found.state("each").status, "done")
        self.assertEqual(found.state("each").progress, Progress(4, 5, 1))
        self.assertEqual(found.state("each/do/send").status, "failed")
        self.assertEqual(found.state("one").status, "done")
        self.assertTrue(found.taken("each", "one", ""))

    def test_items_that_have_not_had_their_turn_are_nowhere_yet(self) -> None:
        w = self.flow(self.each(concurrency=2))
        execution = run(w, {"items": ["wait"] * 5})
        found = overlay(execution)
        self.assertEqual(found.state("each").progress, Progress(0, 5))
        self.assertEqual(found.state("each/do/send").progress, Progress(0, 2))
        self.assertEqual(found.state("each/do/note").status, "pending")

    def test_a_foreach_that_fails_shows_its_step(self) -> None:
        execution = run(self.flow(self.each(concurrency=1), S.one), {"items": ["a", "bad", "b"]})
        found = overlay(execution)
        self.assertEqual(
            self.states(execution, "each", "each/do/send", "each/do/note", "one"),
            {"each": "failed", "each/do/send": "failed", "each/do/note": "done", "one": "skipped"},
        )
        self.assertEqual(found.state("each").progress, Progress(1, 3, 1))

    def test_a_foreach_without_items_is_done_and_its_body_skipped(self) -> None:
        execution = run(self.flow(self.each(), S.one), {"items": []})
        self.assertEqual(
            self.states(execution, "each", "each/do/send", "each/do/kind", "one"),
            {"each": "done", "each/do/send": "skipped", "each/do/kind": "skipped", "one": "done"},
        )
        self.assertEqual(overlay(execution).state("each").detail, "no items")

    def test_blocks_inside_of_items_are_counted_together(self) -> None:
        body = chain(
            foreach(lambda data, item, index: item, S.send, name="inner", concurrency=3),
            parallel(a=S.note, b=S.note.named("other")),
        )
        w = self.flow(foreach("items", body, name="outer", concurrency=2))
        execution = run(w, {"items": [["a", "b"], ["a", "wait"], ["a"]]})
        found = overlay(execution)
        self.assertEqual(found.state("outer").progress, Progress(2, 3))
        self.assertEqual(found.state("outer/do/inner").progress, Progress(4, 5))
        self.assertEqual(found.state("outer/do/inner").status, "running")
        self.assertEqual(found.state("outer/do/inner/do/send").status, "waiting")
        self.assertEqual(found.state("outer/do/parallel/b/other").progress, Progress(2, 2))
        durable.send_event(Wait.objects.open().get().execution_id, "sent")
        drain()
        self.assertEqual(set(self.states(execution).values()), {"done"})

    def test_an_item_that_goes_round_a_loop_counts_once(self) -> None:
        class W(Workflow):
            @step
            def turn(self, data: Any, item: Any, index: int) -> Any:
                return {**data, "turns": data.get("turns", 0) + 1}

            @step
            def close(self, data: Any, item: Any, index: int) -> Any:
                return {**data, "turns": 0}

            flow = chain(
                foreach("items", chain(repeat(turn, until=lambda d, i, n: d["turns"] > i), close))
            )

        execution = run(W, {"items": [0, 2, 3]})
        found = overlay(execution)
        (path,) = [path for path in found.states if path.endswith("/turn")]
        self.assertEqual(found.state(path).progress, Progress(3, 3))
        self.assertEqual(found.state(path).status, "done")

    def test_one_item_can_be_looked_at_by_itself(self) -> None:
        w = self.flow(S.one, self.each(concurrency=9, on_error="continue"))
        execution = run(w, {"items": ["a", "wait"]})
        first, second = Execution.objects.filter(parent=execution).order_by("index")
        self.assertEqual(
            self.states(first, "each/do/send", "each/do/kind/a/note_a", "each/do/note"),
            {"each/do/send": "done", "each/do/kind/a/note_a": "done", "each/do/note": "done"},
        )
        self.assertEqual(
            self.states(second, "each/do/send", "each/do/note"),
            {"each/do/send": "waiting", "each/do/note": "pending"},
        )


class RepeatTests(OverlayTestCase):
    def test_the_round_is_shown_while_it_goes_on_and_all_rounds_at_the_end(self) -> None:
        w = self.flow(repeat(chain(S.count, wait_for_event("go")), until="enough"), S.one)
        execution = run(w, {"wanted": 3})
        durable.send_event(execution.pk, "go")
        drain()
        found = overlay(execution)
        self.assertEqual(
            (found.state("repeat").status, found.state("repeat").detail), ("running", "round 2")
        )
        self.assertEqual(found.state("repeat/do/count").rounds, 2)
        self.assertEqual(found.state("repeat/do/go").status, "waiting")
        for _ in range(2):
            durable.send_event(execution.pk, "go")
            drain()
        found = overlay(execution)
        self.assertEqual((found.state("repeat").status, found.state("repeat").rounds), ("done", 3))
        self.assertEqual(set(self.states(execution).values()), {"done"})

    def test_in_a_new_round_other_ways_are_open_again(self) -> None:
        inside = chain(branch("n", {1: S.two}, default=S.three), wait_for_event("go"), S.count)
        w = self.flow(repeat(inside, until="enough"))
        execution = run(w, {"n": 1, "wanted": 3})
        paths = ("repeat/do/n/1/two", "repeat/do/n/default/three")
        self.assertEqual(list(self.states(execution, *paths).values()), ["done", "pending"])
        durable.send_event(execution.pk, "go")
        drain()
        self.assertEqual(list(self.states(execution, *paths).values()), ["done", "done"])

    def test_of_blocks_in_a_loop_the_last_round_counts(self) -> None:
        inside = chain(
            S.count,
            parallel(a=S.one, b=wait_for_event("go")),
            foreach("items", S.note, name="each"),
        )
        w = self.flow(repeat(inside, until="enough"))
        execution = run(w, {"wanted": 3, "items": [1, 2]})
        durable.send_event(execution.pk, "go")
        drain()
        found = overlay(execution)
        self.assertEqual(found.state("repeat/do/parallel").progress, Progress(1, 2))
        self.assertEqual(found.state("repeat/do/parallel/b/go").status, "waiting")
        self.assertEqual(found.state("repeat/do/each").progress, Progress(2, 2))
        self.assertEqual(found.state("repeat/do/each").status, "done")


class CatchTests(OverlayTestCase):
    def flow_with_catch(self) -> type[Workflow]:
        inside = chain(S.book, S.charge, S.two)
        handlers = {"card_declined": S.three, "other": S.count}
        return self.flow(catch(inside, handlers), S.one)

    def test_a_caught_failure_leads_over_the_handler(self) -> None:
        execution = run(self.flow_with_catch(), {"declined": True})
        self.assertEqual(
            self.states(execution),
            {
                "#start": "done",
                "catch": "done",
                "catch/do/book": "compensated",
                "catch/do/charge": "failed",
                "catch/do/two": "skipped",
                "catch/card_declined/three": "done",
                "catch/other/count": "skipped",
                "one": "done",
                "#end": "done",
            },
        )
        self.assertEqual(overlay(execution).state("catch").detail, "caught card_declined")
        self.assertEqual(overlay(execution).state("catch/do/charge").detail, "card_declined")
        self.assertTaken(execution, "catch/do", "catch/card_declined")
        found = overlay(execution)
        self.assertFalse(found.taken("catch/do/two", "one", ""))
        self.assertTrue(found.taken("catch/card_declined/three", "one", ""))

    def test_without_a_failure_the_handlers_were_skipped(self) -> None:
        execution = run(self.flow_with_catch())
        self.assertEqual(
            self.states(execution, "catch", "catch/do/two", "catch/card_declined/three"),
            {"catch": "done", "catch/do/two": "done", "catch/card_declined/three": "skipped"},
        )
        self.assertTaken(execution, "catch/do")

    def test_while_the_inside_is_undone_the_catch_says_what_follows(self) -> None:
        w = self.flow_with_catch()
        seen = []

        def watched(self: Any, data: Any) -> None:
            seen.append(overlay(Execution.objects.get()))

        compensation = w.definition.tree.leaves()[0].step.compensation
        with mock.patch.object(compensation, "function", watched):
            run(w, {"declined": True})
        (found,) = seen
        self.assertEqual(found.state("catch").status, "running")
        self.assertEqual(found.state("catch").detail, "undoing, then card_declined")
        self.assertEqual(found.state("catch/do/book").detail, "being undone")
        self.assertEqual(found.state("catch/do/two").status, "skipped")
        self.assertEqual(found.state("one").status, "pending")

    def test_a_failure_that_nothing_catches_fails_the_catch(self) -> None:
        w = self.flow(catch(S.charge, {"other": S.two}), S.one)
        execution = run(w, {"declined": True})
        self.assertEqual(
            self.states(execution, "catch", "catch/do/charge", "catch/other/two", "one"),
            {
                "catch": "failed",
                "catch/do/charge": "failed",
                "catch/other/two": "skipped",
                "one": "skipped",
            },
        )


class AnyFlowTests(OverlayTestCase):
    def test_a_completed_run_leads_from_start_to_end_by_ways_that_were_taken(self) -> None:
        for seed in range(12):
            with self.subTest(seed=seed), durable.testing.isolate_workflows():
                w = flows.planned_workflow(flows.large_plan(Random(seed), 12))
                execution = run(w, {"x": 1, "items": [1, 2], "done": True})
                execution.refresh_from_db()
                self.assertEqual(execution.status, "completed", execution.error)
                self.assertConnected(w, overlay(execution))

    def assertConnected(self, w: type[Workflow], found: Overlay) -> None:
        """Each node was done and reached, or skipped and not reached."""
        drawn = graph(w)
        reached = {
            edge.target for edge in drawn.edges if found.taken(edge.source, edge.target, edge.way)
        }
        states = {node.path: found.state(node.path).status for node in drawn.nodes}
        self.assertEqual(
            {path for path, status in states.items() if status == "done"}, {"#start", *reached}
        )
        self.assertEqual(set(states.values()) - {"done", "skipped"}, set())
        self.assertEqual(states["#end"], "done")


class QueryTests(OverlayTestCase):
    def queries(self, execution: Execution) -> int:
        execution.refresh_from_db()
        tree = tree_of_run(execution)
        assert tree is not None
        with CaptureQueriesContext(connection) as captured:
            run_overlay(execution, tree)
        return len(captured)

    def test_a_simple_run_takes_three_queries(self) -> None:
        self.assertEqual(self.queries(run(self.flow(S.one, S.two))), 3)

    def test_their_number_does_not_grow_with_items_rounds_and_attempts(self) -> None:
        body = foreach(lambda data, item, index: [1] * item, chain(S.note, parallel(a=S.note)))
        inside = chain(S.count, parallel(a=S.one, b=S.charge), foreach("items", body, name="each"))
        w = self.flow(repeat(inside, until="enough"), S.one)

        def taken(wanted: int, items: Iterable[int], bad: int) -> int:
            with time_travel():
                data = {"wanted": wanted, "items": list(items), "bad_attempts": bad}
                execution = run(w, data)
                advance(hours=3)
                execution.refresh_from_db()
                self.assertEqual(execution.status, "completed", execution.error)
                return self.queries(execution)

        few, many = taken(1, [1], 0), taken(3, [2, 3, 1], 2)
        self.assertEqual(few, many)
        self.assertLessEqual(many, 12)
