"""Starting: what each option does, and what is refused with nothing left behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

import durable
from durable import Data, Fail, Workflow, WorkflowMeta, catch, hours, minutes, step
from durable.engine.start import rows
from durable.engine.start.rows import StartedRow
from durable.models import AuditEntry, CorrelationKey, Execution
from durable.models.fields import uuid7
from durable.testing import advance, drain, time_travel
from tests.cases import WorkflowTestCase
from tests.shop.models import Note, Order

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def define() -> type[Workflow]:
    class TakeOrder(Workflow):
        class Meta(WorkflowMeta):
            key = "reference"
            priority = 2
            queue = "orders"

        @step
        def validate(self, data: Data) -> Data:
            return {**data, "seen": self.now()}

    return TakeOrder


class StartTests(WorkflowTestCase):
    """What start() stores, and what it gives back."""

    def setUp(self) -> None:
        super().setUp()
        self.workflow = define()

    def test_by_class_or_by_name_is_the_same(self) -> None:
        one = durable.start(self.workflow, {"id": 1})
        two = durable.start("take_order", {"id": 1})
        for execution in (one, two):
            self.assertIsInstance(execution, Execution)
            self.assertTrue(execution.created)
            self.assertEqual(execution.workflow, "take_order")
            self.assertEqual(execution.status, "pending")
            self.assertEqual((execution.input, execution.data), ({"id": 1}, {"id": 1}))
            stored = Execution.objects.get(pk=execution.pk)
            self.assertEqual((stored.input, stored.data), ({"id": 1}, {"id": 1}))
        self.assertNotEqual(one.pk, two.pk)

    def test_an_unsaved_row_has_its_defaults_to_itself(self) -> None:
        one, two = rows.unsaved(workflow="a"), rows.unsaved(workflow="a")
        one.tags["mine"] = 1
        self.assertEqual(two.tags, {})
        expected = Execution(id=two.id, workflow="a").__dict__ | {"_state": None}
        self.assertEqual(two.__dict__ | {"_state": None}, expected)
        self.assertTrue(two._state.adding)

    def test_what_it_returns_is_the_row_as_it_is_stored(self) -> None:
        execution = durable.start(self.workflow, {"id": 1}, delay=minutes(5), tags={"a": 1})
        stored = Execution.objects.get(pk=execution.pk)
        for field in Execution._meta.concrete_fields:
            self.assertEqual(
                getattr(execution, field.attname), getattr(stored, field.attname), field.name
            )

    def test_each_of_many_is_the_row_as_it_is_stored(self) -> None:
        given: dict[str, Any] = {"tags": {"a": {"b": 1}}, "delay": minutes(5)}
        inputs = [{"reference": n, "at": NOON} for n in range(3)]
        made = durable.start_many(self.workflow, inputs, **given)
        for number, execution in enumerate(made):
            stored = Execution.objects.get(pk=execution.pk)
            self.assertEqual(stored.input, inputs[number])
            self.assertEqual([one.key for one in stored.keys.all()], [str(number)])
            for field in Execution._meta.concrete_fields:
                self.assertEqual(
                    getattr(execution, field.attname), getattr(stored, field.attname), field.name
                )
        self.assertIsNot(made[0].input, made[0].data)
        self.assertIsNot(made[0].tags, made[1].tags)

    def test_many_begin_where_the_flow_does_each_with_its_own_data(self) -> None:
        class Caught(Workflow):
            @step
            def first(self, data: Data) -> Data:
                raise Fail("no", type="Refused")

            @step
            def instead(self, data: Data) -> Data:
                return {"got": data["n"]}

            flow = catch(first, {"Refused": instead})

        made = durable.start_many(Caught, [{"n": n} for n in range(3)])
        drain()
        results = [Execution.objects.get(pk=one.pk).result for one in made]
        self.assertEqual(results, [{"got": n} for n in range(3)])

    def test_much_data_goes_in_portions(self) -> None:
        bodies = [StartedRow(uuid7(), "x" * size, None) for size in (rows.CHARACTERS, 1, 1)]
        self.assertEqual([len(some) for some in rows._portions(bodies)], [1, 2])
        small = [StartedRow(uuid7(), "{}", None)] * (rows.AT_ONCE + 1)
        self.assertEqual([len(some) for some in rows._portions(small)], [rows.AT_ONCE, 1])

    def test_a_subject_s_key_must_fit(self) -> None:
        with self.assertRaisesMessage(durable.DurableError, "primary key"):
            durable.start(self.workflow, subject=Order(pk="x" * 256))

    def test_without_input_it_is_an_empty_object(self) -> None:
        self.assertEqual(durable.start(self.workflow).input, {})

    def test_the_caller_s_input_is_a_copy(self) -> None:
        given: dict[str, Any] = {"items": [1]}
        execution = durable.start(self.workflow, given)
        given["items"].append(2)
        execution.refresh_from_db()
        self.assertEqual(execution.input, {"items": [1]})

    def test_queue_and_priority_are_those_of_the_class_unless_given(self) -> None:
        own = durable.start(self.workflow)
        given = durable.start(self.workflow, queue="fast", priority=-3)
        self.assertEqual((own.queue, own.priority), ("orders", 2))
        self.assertEqual((given.queue, given.priority), ("fast", -3))
        zero = durable.start(self.workflow, priority=0)
        self.assertEqual(zero.priority, 0)

    def test_higher_priority_goes_first_then_who_is_due_first(self) -> None:
        order: list[str] = []

        class Noted(Workflow):
            @step
            def note(self, data: Data) -> None:
                order.append(data["name"])

        with time_travel(NOON):
            durable.start(Noted, {"name": "late"}, delay=minutes(2))
            durable.start(Noted, {"name": "early"}, delay=minutes(1))
            durable.start(Noted, {"name": "urgent"}, delay=minutes(3), priority=5)
            durable.start(Noted, {"name": "whenever"}, priority=-1)
            advance(hours=1, work=False)
            drain()
        self.assertEqual(order, ["urgent", "early", "late", "whenever"])

    def test_priority_holds_for_what_wakes_up_too(self) -> None:
        order: list[str] = []

        class Naps(Workflow):
            @step
            def nap(self, data: Data) -> None:
                self.sleep(hours(1))
                order.append(data["name"])

        with time_travel(NOON):
            durable.start(Naps, {"name": "a"})
            durable.start(Naps, {"name": "b"}, priority=1)
            advance(hours=1)
        self.assertEqual(order, ["b", "a"])

    def test_scheduled_at_and_delay_start_no_earlier(self) -> None:
        with time_travel(NOON):
            at = durable.start(self.workflow, scheduled_at=NOON + hours(1))
            later = durable.start(self.workflow, delay=hours(1))
            advance(minutes=59, seconds=59)
            for execution in (at, later):
                self.assertEqual(execution.scheduled_at, NOON + hours(1))
                execution.refresh_from_db()
                self.assertEqual(execution.status, "pending")
            advance(seconds=1)
            for execution in (at, later):
                execution.refresh_from_db()
                self.assertEqual(execution.result["seen"], NOON + hours(1))

    def test_a_past_time_starts_at_once(self) -> None:
        with time_travel(NOON):
            durable.start(self.workflow, scheduled_at=NOON - hours(1))
            durable.start(self.workflow, delay=-hours(1))
            durable.start(self.workflow, delay=timedelta.min)
            drain()
        self.assertEqual(Execution.objects.filter(status="completed").count(), 3)

    def test_a_time_in_another_zone_is_the_same_instant(self) -> None:
        tokyo = timezone(timedelta(hours=9))
        execution = durable.start(self.workflow, scheduled_at=NOON.astimezone(tokyo))
        self.assertEqual(execution.scheduled_at, NOON)

    def test_keys_are_those_given_and_that_of_meta_once_each(self) -> None:
        execution = durable.start(
            self.workflow, {"reference": "order:1"}, keys=["order:1", "customer:7", "customer:7"]
        )
        self.assertCountEqual(
            execution.keys.values_list("key", flat=True), ["order:1", "customer:7"]
        )

    def test_the_subject_is_found_again(self) -> None:
        order = Order.objects.create(reference="A1")
        execution = durable.get_execution(durable.start(self.workflow, subject=order).id)
        self.assertEqual(execution.subject, order)
        order.delete()
        self.assertIsNone(durable.get_execution(execution.id).subject)
        self.assertIsNone(durable.start(self.workflow).subject)

    def test_tags_are_stored(self) -> None:
        execution = durable.start(self.workflow, tags={"tenant": "acme", "n": 1, "on": True})
        execution.refresh_from_db()
        self.assertEqual(execution.tags, {"tenant": "acme", "n": 1, "on": True})

    def test_by_is_the_actor_in_the_audit_trail(self) -> None:
        kim = User.objects.create_user("kim")
        execution = durable.start(self.workflow, {"id": 1}, by=kim)
        entry = AuditEntry.objects.get()
        self.assertEqual((entry.action, entry.actor, entry.actor_name), ("start", kim, "kim"))
        self.assertEqual((entry.execution_id, entry.target), (execution.pk, "take_order"))
        self.assertEqual(entry.after, {"id": 1})


class StartManyTests(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.workflow = define()

    def test_one_execution_for_each_input_in_order(self) -> None:
        started = durable.start_many(
            self.workflow, ({"n": n} for n in range(5)), priority=4, queue="bulk", tags={"b": 1}
        )
        self.assertEqual([execution.input["n"] for execution in started], list(range(5)))
        stored = list(Execution.objects.order_by("created_at", "id"))
        self.assertEqual([execution.pk for execution in stored], [one.pk for one in started])
        for execution in stored:
            self.assertEqual(
                (execution.priority, execution.queue, execution.tags), (4, "bulk", {"b": 1})
            )
        self.assertIsInstance(started[0].created_at, datetime)

    def test_all_or_none(self) -> None:
        with self.assertRaises(durable.NotSerializable) as caught:
            durable.start_many(self.workflow, [{"n": 1}, {"n": object()}])
        self.assertIn('inputs[1]["n"]', str(caught.exception))
        self.assertFalse(Execution.objects.exists())

    def test_none_is_fine_and_the_key_of_meta_is_each_one_s_own(self) -> None:
        self.assertEqual(durable.start_many(self.workflow, []), [])
        durable.start_many(self.workflow, [{"reference": "a"}, {"reference": "b"}, None])
        self.assertCountEqual(CorrelationKey.objects.values_list("key", flat=True), ["a", "b"])

    def test_few_statements_whatever_the_number(self) -> None:
        with CaptureQueriesContext(connection) as few:
            durable.start_many(self.workflow, [{}] * 200)
        self.assertLess(len(few), 15)  # SQLite takes so many values in one INSERT


class RefusalTests(WorkflowTestCase):
    """Every refusal is a DurableError that names the thing, and nothing is stored."""

    def setUp(self) -> None:
        super().setUp()
        self.workflow = define()

    def refused(self, *words: str, **options: Any) -> None:
        with self.subTest(**options):
            with self.assertRaises(durable.DurableError) as caught:
                durable.start(self.workflow, {}, **options)
            for word in words:
                self.assertIn(word, str(caught.exception))
            self.assertFalse(Execution.objects.exists())

    def test_an_unknown_name_is_answered_with_a_suggestion(self) -> None:
        with self.assertRaises(durable.WorkflowNotFound) as caught:
            durable.start("take_orde", {})
        self.assertIn("take_order", str(caught.exception))

    def test_options_that_make_no_sense(self) -> None:
        naive = datetime(2024, 1, 1)  # noqa: DTZ001
        self.refused("scheduled_at", "aware", scheduled_at=naive)
        self.refused("scheduled_at", scheduled_at="tomorrow")
        self.refused("delay", "timedelta", delay=5)
        self.refused("scheduled_at", "delay", scheduled_at=NOON, delay=minutes(1))
        self.refused("keys", "list", keys="order:1")
        self.refused("key", keys=[""])
        self.refused("key", keys=[7])
        self.refused("subject", subject=Order(reference="unsaved"))
        self.refused("subject", subject="shop.Order")

    def test_a_subject_of_another_model_than_the_declared_one(self) -> None:
        class About(Workflow):
            class Meta:
                subject = "shop.Order"

            @step
            def one(self, data: Data) -> None: ...

        note = Note.objects.create()
        with self.assertRaisesRegex(durable.DurableError, "shop.Order, not a shop.Note"):
            durable.start(About, subject=note)
        self.assertFalse(Execution.objects.filter(workflow="about").exists())
        order = Order.objects.create(reference="a")
        self.assertEqual(durable.start(About, subject=order).subject, order)
        self.assertIsNone(durable.start(About).subject)  # it may have none

    def test_options_that_a_column_can_t_hold(self) -> None:
        self.refused("queue", queue="q" * 101)
        self.refused("queue", queue="")
        self.refused("queue", queue="a\0b")
        self.refused("priority", priority=2**31)
        self.refused("priority", priority=-(2**31))
        self.refused("priority", priority="high")
        self.refused("idempotency_key", idempotency_key="k" * 256)
        self.refused("idempotency_key", idempotency_key="a\0b")
        self.refused("idempotency_key", idempotency_key=7)
        self.refused("key", keys=["k" * 256])
        self.refused("key", keys=["a\0b"])
        self.refused("tags", tags={"a\0": 1})
        self.refused("tags", tags={"at": NOON})
        self.refused("tags", tags={"x": float("nan")})
        self.refused("tags", tags={"x": "\ud800"})
        self.refused("tags", tags=["not", "a", "dict"])
        self.refused("delay", delay=timedelta.max)
        self.refused("delay", delay=timedelta(days=3_000_000))
        self.refused("scheduled_at", scheduled_at=datetime.max.replace(tzinfo=UTC))

    def test_input_that_is_no_object(self) -> None:
        for wrong in ([1], "text", 5, ("a",)):
            with self.assertRaises(durable.NotSerializable) as caught:
                durable.start(self.workflow, wrong)  # type: ignore[arg-type]
            self.assertIn("input", str(caught.exception))
        self.assertFalse(Execution.objects.exists())

    def test_a_far_but_real_time_is_accepted(self) -> None:
        execution = durable.start(self.workflow, delay=timedelta(days=365 * 100))
        self.assertGreater(execution.scheduled_at, datetime(2100, 1, 1, tzinfo=UTC))
