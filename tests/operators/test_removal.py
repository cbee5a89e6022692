"""What is removed is marked first; nobody finds it then; it goes a thousand rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import durable
from durable import Workflow, clock, days, step
from durable.engine.operators import prune as pruning
from durable.engine.operators import remove as removing
from durable.engine.operators.prune import prune
from durable.models import Event, Execution, Role, StepRun, Wait
from durable.models.fields import uuid7
from durable.testing import advance, drain, run, time_travel
from tests.calendar.cases import MORNING
from tests.cases import WorkflowTestCase


class _Interrupted(Exception):
    """The process that removes has died."""


def _row(**columns: Any) -> Execution:
    pk = uuid7()
    moment = clock.now()
    given: dict[str, Any] = {
        "id": pk,
        "root_id": pk,
        "workflow": "asks",
        "kind": "asks@1",
        "status": "completed",
        "created_at": moment,
        "finished_at": moment,
    }
    return Execution(**given | columns)


@time_travel(MORNING)
class RemovalTests(WorkflowTestCase):
    """Marked, hidden, removed."""

    def setUp(self) -> None:
        super().setUp()

        class Asks(Workflow):
            @step
            def ask(self, data: dict[str, Any]) -> dict[str, Any]:
                return {"name": self.wait_for_text("name")}

        self.workflow = Asks
        self.largest = 0

    def finished(self, **options: Any) -> Execution:
        execution = durable.start(self.workflow, {}, **options)
        drain()
        durable.send_event(execution.pk, "unasked", 1)
        durable.provide_input(execution.pk, "name", "Ada")
        drain()
        execution.refresh_from_db()
        self.assertEqual(execution.status, "completed", execution.error)
        return execution

    @contextmanager
    def counted(self, at_once: int | None = None) -> Iterator[None]:
        """Note the most rows that one transaction has changed or removed."""
        remove = removing._remove_portion

        def watch(rows: Any) -> tuple[int, int]:
            done, deleted = remove(rows)
            self.largest = max(self.largest, done)
            return done, deleted

        with (
            mock.patch.object(removing, "_remove_portion", watch),
            mock.patch.object(removing, "AT_ONCE", at_once or removing.AT_ONCE),
        ):
            yield

    def interrupted(self) -> None:
        """Begin a removal that is cut short after it has marked what goes."""
        advance(days=2, work=False)
        with (
            mock.patch.object(pruning, "remove_trees", side_effect=_Interrupted),
            self.assertRaises(_Interrupted),
        ):
            prune(days(1))

    def test_no_call_finds_what_is_marked(self) -> None:
        gone = self.finished(idempotency_key="once")
        self.interrupted()
        calls: dict[str, Any] = {
            "get_execution": lambda: durable.get_execution(gone.pk),
            "its beginning": lambda: durable.get_execution(str(gone.pk)[:13]),
            "cancel": lambda: durable.cancel(gone.pk),
            "pause": lambda: durable.pause(gone.pk),
            "resume": lambda: durable.resume(gone.pk),
            "retry": lambda: durable.retry(gone.pk),
            "compensate": lambda: durable.compensate(gone.pk),
            "rerun": lambda: durable.rerun(gone.pk),
            "send_event": lambda: durable.send_event(gone.pk, "go"),
            "provide_input": lambda: durable.provide_input(gone.pk, "name", "x"),
            "reassign": lambda: durable.reassign(gone.pk, "name", to="user:x"),
        }
        for name, call in calls.items():
            with self.subTest(name), self.assertRaises(durable.ExecutionNotFound):
                call()
        self.assertEqual(list(durable.list_executions()), [])
        again = durable.start(self.workflow, {"other": 1}, idempotency_key="once")
        self.assertTrue(again.created)
        self.assertEqual([one.pk for one in durable.list_executions()], [again.pk])

    def test_no_door_shows_what_is_marked(self) -> None:
        gone = self.finished(keys=["k"])
        self.interrupted()
        boss = get_user_model().objects.create_superuser("boss")
        client = Client()
        client.force_login(boss)
        wait = Wait.objects.get(execution=gone.pk)
        text = str(gone.pk)
        for address in (
            f"/durable/executions/{text}/",
            f"/durable/executions/{text}/steps/",
            f"/durable/executions/{text}/children/",
            reverse("admin:durable_execution_change", args=[gone.pk]),
            reverse("admin:durable_input_change", args=[wait.pk]),
        ):
            with self.subTest(address):
                self.assertEqual(client.get(address).status_code, 404)
        for address in (
            "/durable/executions/",
            "/durable/inputs/",
            "/durable/events/",
            reverse("admin:durable_execution_changelist"),
            reverse("admin:durable_execution_changelist") + f"?q={text}",
            reverse("admin:durable_execution_changelist") + "?q=k",
            reverse("admin:durable_input_changelist") + "?show=all",
            reverse("admin:durable_event_changelist"),
        ):
            with self.subTest(address):
                page = client.get(address)
                self.assertEqual(page.status_code, 200)
                shown = page.content.decode().replace(f'value="{text}"', "")
                self.assertNotIn(text[:13], shown.replace(f"q={text}", ""))

    def test_what_was_cut_short_is_taken_up_by_the_next_removal(self) -> None:
        self.finished()
        self.interrupted()
        self.assertEqual(prune(days(100), dry_run=True), 1)
        self.assertEqual(prune(days(100)), 1)
        for model in (Execution, StepRun, Wait, Event):
            self.assertFalse(model.objects.exists(), model)

    def test_each_transaction_removes_a_bounded_number_of_rows(self) -> None:
        root = self.finished()
        parts = [
            _row(root_id=root.pk, parent=root, role=Role.ITEM, index=n, awaited=True)
            for n in range(30)
        ]
        Execution.objects.bulk_create(parts)
        below = [
            _row(parent=part, role=Role.CHILD, awaited=n % 2 == 0) for n, part in enumerate(parts)
        ]
        Execution.objects.bulk_create(below)
        StepRun.objects.bulk_create(
            StepRun(execution=row, path="a", status="completed", started_at=clock.now(), visit=v)
            for row in (*parts, *below)
            for v in (1, 2, 3)
        )
        Execution.objects.bulk_create(_row(rerun_of=root, status="failed") for _ in range(20))
        advance(days=2, work=False)
        with self.counted(at_once=7):
            self.assertEqual(prune(days(1)), 1 + 15 + 20)
        self.assertEqual(self.largest, 7)
        self.assertFalse(Execution.objects.exists())
        self.assertFalse(StepRun.objects.exists())

    def test_a_chain_in_which_each_starts_the_next_goes_up_to_the_one_that_lives(self) -> None:
        above: UUID | None = None
        rows = []
        for _ in range(301):
            row = _row(role=Role.ROOT if above is None else Role.CHILD, parent_id=above)
            rows.append(row)
            above = row.pk
        rows[-1].status, rows[-1].finished_at = "waiting", None
        Execution.objects.bulk_create(rows)
        advance(days=2, work=False)
        with self.counted(), CaptureQueriesContext(connection) as statements:
            self.assertEqual(prune(days(1)), 300)
        left = Execution.objects.get()
        self.assertEqual((left.pk, left.role, left.former_parent), (above, "root", rows[-2].pk))
        self.assertLess(len(statements), 120)

    def test_children_of_one_that_lives_go_by_their_own_time(self) -> None:
        parent = _row(status="waiting", finished_at=None)
        parent.save(force_insert=True)
        Execution.objects.bulk_create(_row(parent=parent, role=Role.CHILD) for _ in range(450))
        Execution.objects.bulk_create(
            _row(parent=parent, role=Role.CHILD, awaited=True) for _ in range(3)
        )
        advance(days=2, work=False)
        self.assertEqual(prune(days(1)), 450)
        self.assertEqual(Execution.objects.filter(role=Role.CHILD).count(), 3)

    def test_forty_levels_of_children_that_were_waited_for_go_with_the_first(self) -> None:
        above: Execution | None = None
        rows = []
        for _ in range(40):
            above = _row(role=Role.CHILD if above else Role.ROOT, parent=above, awaited=bool(above))
            rows.append(above)
        Execution.objects.bulk_create(rows)
        advance(days=2, work=False)
        deepest = Execution.objects.filter(pk=rows[-1].pk)
        deepest.update(status="blocked", finished_at=None)
        self.assertEqual(prune(days(1)), 0)
        deepest.update(status="failed", finished_at=clock.now())
        self.assertEqual(prune(days(1)), 1)
        self.assertFalse(Execution.objects.exists())

    def test_a_slot_that_waits_for_what_is_removed_does_not_hold_it(self) -> None:
        from durable.models import Firing, Schedule

        execution = self.finished()
        schedule = Schedule.objects.create(
            name="s", workflow="asks", cron="0 0 * * *", timezone="UTC", created_at=clock.now()
        )
        Firing.objects.create(
            schedule=schedule,
            slot=MORNING,
            fired_at=clock.now(),
            after=execution,
            execution=execution,
        )
        advance(days=2, work=False)
        self.assertEqual(prune(days(1)), 1)
        firing = Firing.objects.get()
        self.assertEqual((firing.after, firing.execution), (None, None))

    def test_one_below_which_something_goes_on_again_is_kept_and_said(self) -> None:
        root = self.finished()
        child = _row(parent=root, role=Role.CHILD, awaited=True)
        child.save(force_insert=True)
        other = self.finished()
        self.interrupted()
        Execution.objects.filter(pk=child.pk).update(status="blocked", finished_at=None)
        with self.assertLogs("durable.retention", "WARNING") as logs:
            self.assertEqual(prune(days(1)), 1)
        self.assertIn(str(root.pk), logs.output[0])
        left = set(Execution.objects.values_list("pk", flat=True))
        self.assertEqual((left, other.pk in left), ({root.pk, child.pk}, False))
        Execution.objects.filter(pk=child.pk).update(status="failed", finished_at=clock.now())
        self.assertEqual(prune(days(1)), 1)
        self.assertFalse(Execution.objects.exists())
        self.assertEqual(run(self.workflow).status, "waiting")
