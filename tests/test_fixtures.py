"""Executions survive ``dumpdata`` and ``loaddata``: they go on elsewhere as if nothing had been."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.test import TransactionTestCase

import durable
from durable import clock, days
from durable.engine.calendar.deployed import register_declared
from durable.engine.row.held import text_of
from durable.models import AuditEntry, Execution, Firing, Schedule, StepRun, Wait
from durable.models.fields import DataField, uuid7
from durable.testing import advance, drain, time_travel
from tests.processes import ROOT
from tests.shop import moving

EXPORT = """
import json, sys
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.shop import moving
from durable.engine.calendar.deployed import register_declared
everything = moving.define()
register_declared()
ids = moving.begin(everything)
call_command("dumpdata", "durable", "auth.user", "auth.group", *sys.argv[2:], output=sys.argv[1])
print(json.dumps(ids))
"""


class FixtureTests(TransactionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.everything = moving.define()
        register_declared()

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.directory = Path(cls.enterClassContext(TemporaryDirectory()))
        cls.dumps: dict[tuple[str, ...], tuple[Path, dict[str, str]]] = {}

    def exported(self, *options: str) -> tuple[Path, dict[str, str]]:
        """A dump of another process's SQLite database, and the executions that it holds."""
        if options not in self.dumps:
            self.dumps[options] = self._export(len(self.dumps), options)
        return self.dumps[options]

    def _export(self, number: int, options: tuple[str, ...]) -> tuple[Path, dict[str, str]]:
        dump = self.directory / f"dump-{number}.json"
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DURABLE_TEST_DB": "sqlite",
            "DURABLE_TEST_NAME": str(self.directory / f"other-{number}.sqlite3"),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-c", EXPORT, str(dump), *options],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        ids: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        return dump, ids

    def finish(self, ids: dict[str, str]) -> None:
        """Answer what is asked, let the time pass: all end as they would have."""
        rows = {name: Execution.objects.get(pk=pk) for name, pk in ids.items()}
        durable.resume(rows["paused"].id)
        with time_travel():
            drain()
            for name in ("untouched", "fails", "paused"):
                durable.provide_input(rows[name].id, "ok", "approved", comment="late")
                durable.send_event(rows[name].id, "paid", {"amount": "5"})
            advance(days=3)
            advance(days=2)
            advance(days=2)
        for name, row in rows.items():
            row.refresh_from_db()
            with self.subTest(name):
                wanted = "compensated" if name == "fails" else "completed"
                self.assertEqual(row.status, wanted, row.error)
        self.assertEqual(rows["fails"].error["details"], {"text": "5"})
        self.assertEqual(rows["fails"].tags, {"tier": "gold", "undone": "5"})
        for name in ("untouched", "answered", "paused"):
            self.assertDone(rows[name], by="mover" if name == "answered" else None)

    def assertDone(self, row: Execution, by: str | None) -> None:
        data: dict[str, Any] = row.data
        self.assertEqual(data["n"], 1 + 2 + 3 + 4 + 3)
        self.assertEqual((data["text"], data["log"], data["done"]), ("5", [0, 1], True))
        self.assertEqual(data["paid"], {"amount": "5"})
        self.assertEqual([data[f"item{i}"] for i in range(3)], ["5", {"a": 1.5}, None])
        self.assertEqual((data["approved"], data["by"] or None), (True, by))
        self.assertEqual(data["when"].tzinfo is not None, True)

    def test_running_executions_move_to_another_database_and_finish_there(self) -> None:
        dump, ids = self.exported()
        call_command("loaddata", str(dump), verbosity=0)
        self.finish(ids)

    def test_they_move_by_natural_keys_too(self) -> None:
        dump, ids = self.exported("--natural-foreign", "--natural-primary")
        call_command("loaddata", str(dump), verbosity=0)
        self.finish(ids)

    def test_a_schedule_that_migrate_has_made_is_the_one_that_the_fixture_brings(self) -> None:
        here = Schedule.objects.get(name="moving")
        dump, _ = self.exported()
        call_command("loaddata", str(dump), verbosity=0)
        loaded = Schedule.objects.get(name="moving")
        self.assertNotEqual(loaded.pk, here.pk)
        self.assertEqual((loaded.workflow, loaded.cron), ("moving_everything", "0 7 * * *"))

    def test_a_schedule_that_has_fired_here_is_not_replaced(self) -> None:
        here = Schedule.objects.get(name="moving")
        Firing.objects.create(
            schedule=here, slot=clock.read("default"), outcome="missed", fired_at=clock.now()
        )
        dump, _ = self.exported()
        with self.assertRaisesRegex(Exception, r"(?i)unique"):
            call_command("loaddata", str(dump), verbosity=0)
        self.assertEqual(Schedule.objects.get(name="moving").pk, here.pk)

    def test_every_column_is_the_same_after_the_journey_there_and_back(self) -> None:
        moving.begin(self.everything)
        before = self.rows()
        text = connection.creation.serialize_db_to_string()
        call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)
        connection.creation.deserialize_db_from_string(text)
        self.assertEqual(self.rows(), before)

    def rows(self) -> list[Any]:
        """All rows with the texts of their data; times to the millisecond, as Django dumps them."""
        found = []
        for model in (Execution, StepRun, Wait, AuditEntry, Schedule):
            names = {}
            for field in model._meta.concrete_fields:
                data = isinstance(field, DataField)
                names[field.attname] = text_of(field.name) if data else F(field.attname)
            rows = model._base_manager.values_list(*names.values())
            found.append(sorted(repr([_rough(value) for value in row]) for row in rows))
        return found

    def test_values_keep_their_kind_in_a_fixture(self) -> None:
        values: list[Any] = ["5", "{}", "", '"', 5, 1.5, 1e22, True, None, [], {}, ["5"]]
        values += [days(1), clock.read("default"), {"~t": 1}, "a\u2028é"]
        executions = []
        for value in values:
            pk = uuid7()
            known = {"workflow": "w", "kind": "w@1", "created_at": clock.now()}
            row = Execution(id=pk, root_id=pk, progress=value, data={"v": value}, **known)
            row.save(force_insert=True)
            executions.append(row)
        dump = self.directory / "values.json"
        call_command("dumpdata", "durable.execution", output=str(dump), verbosity=0)
        Execution.objects.all()._raw_delete("default")
        call_command("loaddata", str(dump), verbosity=0)
        for execution, value in zip(executions, values, strict=True):
            execution.refresh_from_db()
            with self.subTest(value=value):
                self.assertEqual(execution.progress, value)
                self.assertIs(type(execution.progress), type(value))
                self.assertEqual(execution.data, {"v": value})


def _rough(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value
