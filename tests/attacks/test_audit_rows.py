"""Audit entries stay as they were written, by whatever way of Django or of SQL one tries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.core import serializers
from django.db import IntegrityError, connection, models, transaction
from django.test import TestCase

from durable.management import doctor
from durable.models import AuditEntry, audit_trigger
from durable.storage import audit

#: each column, with something else than what stands there
OTHER = {
    "id": None,
    "at": "2001-01-01T00:00:00Z",
    "actor": "else",
    "actor_name": "somebody else",
    "action": "nothing",
    "execution_id": "00000000-0000-0000-0000-000000000001",
    "wait_id": "00000000-0000-0000-0000-000000000001",
    "target": "elsewhere",
    "before": {"a": 1},
    "after": {"a": 1},
    "origin": "elsewhere",
}


class AuditRowTests(TestCase):
    """One entry, and every way to write over it."""

    def setUp(self) -> None:
        self.user = User.objects.create_user("kim")
        self.other = User.objects.create_user("else")
        audit.record("pause", by=self.user, target="here")
        self.entry = AuditEntry.objects.get()
        self.stored = self.columns()

    def columns(self) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM durable_auditentry ORDER BY id")
            return cursor.fetchall()

    def refused(self, act: Callable[[], Any]) -> None:
        with self.assertRaises((IntegrityError, TypeError)), transaction.atomic():
            act()
        self.assertEqual(self.columns(), self.stored)

    def changed(self, name: str) -> AuditEntry:
        entry = AuditEntry.objects.get()
        setattr(entry, name, self.other if name == "actor" else OTHER[name])
        return entry

    def test_the_table_names_each_column(self) -> None:
        self.assertEqual(set(OTHER), {field.name for field in AuditEntry._meta.get_fields()})

    def test_no_column_is_written_over_by_any_way(self) -> None:
        for name in OTHER.keys() - {"id"}:
            ways: dict[str, Callable[[AuditEntry], Any]] = {
                "save": lambda entry: entry.save(),
                "save_base": lambda entry: entry.save_base(raw=True, force_update=True),
                "bulk_update": lambda entry, name=name: AuditEntry.objects.bulk_update(
                    [entry], [name]
                ),
                "bulk_create": lambda entry, name=name: AuditEntry.objects.bulk_create(
                    [entry], update_conflicts=True, update_fields=[name], unique_fields=["id"]
                ),
                "update": lambda entry, name=name: models.QuerySet(AuditEntry).update(
                    **{name: getattr(entry, name)}
                ),
            }
            for way, act in ways.items():
                with self.subTest(column=name, way=way):
                    self.refused(lambda name=name, act=act: act(self.changed(name)))

    def test_its_key_is_not_changed_by_sql(self) -> None:
        other = "00000000-0000-0000-0000-000000000001"
        for change, values in (
            ("id = %s", [other]),
            ("origin = 'x', actor_id = NULL", []),
            ("at = '2001-01-01', actor_id = NULL", []),
        ):
            with self.subTest(change), connection.cursor() as cursor:
                sql = f"UPDATE durable_auditentry SET {change}"
                self.refused(lambda cursor=cursor, sql=sql, v=values: cursor.execute(sql, v))

    def test_what_there_is_can_be_loaded_again(self) -> None:
        (loaded,) = serializers.deserialize("json", serializers.serialize("json", [self.entry]))
        loaded.save()
        self.assertEqual(self.columns(), self.stored)

    def test_a_user_goes_and_the_name_stays(self) -> None:
        self.user.delete()
        self.entry.refresh_from_db()
        self.assertEqual((self.entry.actor_id, self.entry.actor_name), (None, "kim"))

    def test_old_entries_are_removed_by_sql(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM durable_auditentry WHERE at < '2999-01-01'")
        self.assertEqual(self.columns(), [])

    def test_the_doctor_misses_the_trigger(self) -> None:
        self.assertNotIn("audit-unguarded", [one.code for one in doctor.diagnose()])
        audit_trigger.remove(connection)
        self.assertIn("audit-unguarded", [one.code for one in doctor.diagnose()])
        audit_trigger.install(connection)
        self.refused(lambda: self.changed("target").save_base(raw=True, force_update=True))
