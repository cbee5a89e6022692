"""A statement that Django writes once gives what its QuerySet would give, call after call."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest import mock
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models.sql.compiler import SQLCompiler
from django.test import TestCase

from durable import clock, minutes
from durable.models import Event, Execution, Queue
from durable.models.fields import Stored, uuid7
from durable.models.given import Among
from durable.states import EventStatus
from durable.storage.statement import Statement

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def event(name: str, **columns: object) -> Event:
    return Event.objects.create(name=name, created_at=NOON, **columns)


class StatementTests(TestCase):
    """Each on a database that has compiled it already, and with other values."""

    def test_django_writes_it_once(self) -> None:
        named = Statement(lambda name: Event.objects.filter(name=name))
        event("a", payload={"x": 1})
        named(name="a")
        with mock.patch.object(SQLCompiler, "as_sql", side_effect=AssertionError):
            self.assertEqual([one.payload for one in named(name="a")], [{"x": 1}])
            self.assertEqual(named(name="b"), [])

    def test_instances_are_those_of_the_queryset(self) -> None:
        made = event("a", payload=[1, 2.5, None], key="k")
        (read,) = Statement(lambda pk: Event.objects.filter(pk=pk))(pk=made.pk)
        again = Event.objects.get(pk=made.pk)
        self.assertEqual(read, again)
        for field in Event._meta.concrete_fields:
            self.assertEqual(getattr(read, field.attname), getattr(again, field.attname))
        self.assertFalse(read._state.adding)
        self.assertEqual(read._state.db, "default")

    def test_values_come_as_tuples_or_flat_in_the_order_in_which_they_are_asked_for(self) -> None:
        made = event("a", key="k")
        asked = ("key", "created_at", "id")
        several = Statement(lambda name: Event.objects.filter(name=name).values_list(*asked))
        flat = Statement(lambda name: Event.objects.filter(name=name).values_list("pk", flat=True))
        self.assertEqual(several(name="a"), [("k", NOON, made.pk)])
        self.assertEqual(flat(name="a"), [made.pk])
        self.assertIsInstance(flat(name="a")[0], UUID)

    def test_a_list_is_one_parameter_of_any_length(self) -> None:
        made = [event(name).pk for name in "abc"]
        found = Statement(
            lambda ids: (
                Event.objects.filter(Among("id", ids)).order_by("name").values_list("pk", flat=True)
            )
        )
        self.assertEqual(found(ids=made[:2]), made[:2])
        self.assertEqual(found(ids=[*made, uuid7()]), made)
        self.assertEqual(found(ids=[]), [])
        named = Statement(lambda names: Event.objects.filter(Among("name", names)))
        self.assertEqual([one.name for one in named(names=["a", 'b"', "c'"])], ["a"])
        self.assertEqual(Event.objects.filter(Among("id", made)).count(), 3)
        self.assertEqual(Event.objects.exclude(Among("id", made[:1])).count(), 2)

    def test_rows_are_bounded_by_the_limit_of_the_call(self) -> None:
        for name in "abc":
            event(name)
        found = Statement(
            lambda status: (
                Event.objects.filter(status=status).order_by("name").values_list("name", flat=True)
            ),
            limited=True,
        )
        pending = EventStatus.PENDING
        self.assertEqual(found(status=pending, limit=2), ["a", "b"])
        self.assertEqual(found(status=pending, limit=1), ["a"])
        self.assertEqual(found(status=pending, limit=10), ["a", "b", "c"])

    def test_pages_begin_after_the_offset_of_the_call(self) -> None:
        for name in "abc":
            event(name)
        pages = Statement(
            lambda: Event.objects.order_by("name").values_list("name", flat=True), paged=True
        )
        self.assertEqual(pages(limit=2, offset=0), ["a", "b"])
        self.assertEqual(pages(limit=2, offset=2), ["c"])

    def test_an_update_says_how_many_rows_it_changed(self) -> None:
        made, wait = event("a"), uuid7()
        changed = Statement(
            lambda pk, payload, until: Event.objects.filter(pk=pk).update(
                payload=payload, expires_at=until
            )
        )
        for payload, until in (({"x": "y"}, NOON), ([], None)):
            stored = Stored('{"x":"y"}') if payload else Stored("[]")
            self.assertEqual(changed(pk=made.pk, payload=stored, until=until), 1)
            made.refresh_from_db()
            self.assertEqual((made.payload, made.expires_at), (payload, until))
        self.assertEqual(changed(pk=wait, payload=Stored("1"), until=None), 0)

    def test_a_stopped_clock_is_read_in_each_call(self) -> None:
        past = Statement(lambda: Event.objects.filter(created_at__lt=clock.now()))
        event("a")
        self.assertEqual(len(past()), 1)
        for shift, count in ((-1, 0), (1, 1), (-1, 0)):
            with clock.frozen(NOON + minutes(shift)):
                self.assertEqual(len(past()), count)
        self.assertEqual(len(past()), 1)

    def test_a_clock_that_moves_is_no_reason_to_compile_anew(self) -> None:
        past = Statement(lambda: Event.objects.filter(created_at__lt=clock.now() + minutes(1)))
        event("a")
        with clock.frozen(NOON):
            past()
        with mock.patch.object(SQLCompiler, "as_sql", side_effect=AssertionError):
            for shift, count in ((-2, 0), (0, 1), (-1, 0)):
                with clock.frozen(NOON + minutes(shift)):
                    self.assertEqual(len(past()), count)

    def test_a_deletion_says_how_many_rows_are_gone(self) -> None:
        gone = Statement(lambda name: Queue.objects.filter(name=name).delete())
        Queue.objects.bulk_create([Queue(name="a"), Queue(name="b")])
        self.assertEqual([gone(name="a"), gone(name="a")], [1, 0])
        self.assertEqual([one.name for one in Queue.objects.all()], ["b"])

    def test_a_new_instance_is_inserted_with_what_the_call_gives(self) -> None:
        insert = Statement(
            lambda pk, name, payload: Event(
                id=pk, name=name, payload=payload, created_at=clock.now() + minutes(1)
            )
        )
        with clock.frozen(NOON):
            for name, payload in (("a", '{"x":1}'), ("b", "[]")):
                self.assertEqual(insert(pk=uuid7(), name=name, payload=Stored(payload)), 1)
        made = Event.objects.order_by("name").values_list("name", "payload", "created_at")
        at = NOON + minutes(1)
        self.assertEqual(list(made), [("a", {"x": 1}, at), ("b", [], at)])

    def test_a_fixed_value_is_built_in_and_another_one_is_compiled_anew(self) -> None:
        since = Statement(
            lambda name, span: Event.objects.filter(name=name, created_at__gt=clock.now() + -span),
            fixed=("span",),
        )
        event("a")
        with clock.frozen(NOON + minutes(5)):
            for span, count in ((4, 0), (6, 1), (4, 0)):
                self.assertEqual(len(since(name="a", span=minutes(span))), count)
            with mock.patch.object(SQLCompiler, "as_sql", side_effect=AssertionError):
                self.assertEqual(len(since(name="b", span=minutes(6))), 0)

    def test_a_refused_update_spoils_the_transaction_as_any_other(self) -> None:
        Queue.objects.create(name="a")
        limit = Statement(
            lambda concurrency: Queue.objects.filter(name="a").update(concurrency=concurrency)
        )
        self.assertEqual(limit(concurrency=1), 1)
        with transaction.atomic():
            with self.assertRaises(IntegrityError):
                limit(concurrency=-1)
            self.assertTrue(connection.needs_rollback)
            transaction.set_rollback(False)
            transaction.set_rollback(True)

    def test_compiling_neither_runs_an_update_nor_spoils_the_transaction(self) -> None:
        executions = Statement(lambda pk: Execution.objects.filter(pk=pk).stand_at(path="x"))
        with self.assertNumQueries(1):
            self.assertEqual(executions(pk=uuid7()), 0)
        self.assertFalse(connection.needs_rollback)

    def test_other_shapes_are_refused(self) -> None:
        with self.assertRaises(TypeError):
            Statement(lambda: Event.objects.values("pk"))()
