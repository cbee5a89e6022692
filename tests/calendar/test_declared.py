"""Schedules in ``Meta`` are registered once, follow the code, and stay off if they were."""

from __future__ import annotations

from django.core.management import call_command
from django.test import override_settings

import durable
from durable import Cron, DurableError, hours, minutes
from durable.authoring.parse import registry
from durable.engine.calendar.deployed import register_after_migrate, register_declared
from durable.engine.duties import workers
from durable.models import Schedule
from durable.testing import advance, drain, isolate_workflows, time_travel
from tests.calendar.cases import MORNING, planned, row, scheduled
from tests.cases import WorkflowTestCase

NINE = "0 9 * * *"


@time_travel(MORNING, schedules=True)
class DeclaredTests(WorkflowTestCase):
    """What the classes say is what the rows say."""

    def test_registration_is_idempotent(self) -> None:
        scheduled(Cron(NINE, timezone="UTC"))
        self.assertEqual(register_declared(), 1)
        before = Schedule.objects.values().get(name="report")
        self.assertEqual(register_declared(), 0)
        self.assertEqual(Schedule.objects.values().get(name="report"), before)
        self.assertEqual(row().next_run_at, MORNING + hours(1))
        self.assertTrue(row().declared)

    def test_without_a_zone_it_is_djangos(self) -> None:
        scheduled(Cron(NINE))
        with self.settings(TIME_ZONE="Asia/Tokyo"):
            register_declared()
            self.assertEqual(row().timezone, "Asia/Tokyo")
            self.assertEqual(row().next_run_at, MORNING + hours(16))

    def test_a_changed_declaration_changes_the_row(self) -> None:
        scheduled(Cron(NINE, timezone="UTC"))
        register_declared()
        with isolate_workflows():
            scheduled(
                Cron(
                    "30 10 * * *",
                    timezone="UTC",
                    input={"a": 1},
                    catch_up="all",
                    overlap="skip",
                    jitter=hours(1),
                )
            )
            self.assertEqual(register_declared(), 1)
        changed = row()
        self.assertEqual(changed.next_run_at, MORNING + hours(2.5))
        self.assertEqual((changed.cron, changed.input), ("30 10 * * *", {"a": 1}))
        self.assertEqual((changed.catch_up, changed.overlap), ("all", "skip"))
        self.assertEqual(changed.jitter, hours(1))

    def test_what_is_switched_off_stays_off_across_deploys(self) -> None:
        scheduled(Cron(NINE, timezone="UTC"))
        register_declared()
        durable.disable_schedule("report")
        with isolate_workflows():
            scheduled(Cron("0 10 * * *", timezone="UTC"))
            register_declared()
        self.assertFalse(row().enabled)
        self.assertEqual(row().cron, "0 10 * * *")

    def test_a_deploy_after_a_failure_neither_waits_longer_nor_forgets_a_slot_that_is_due(
        self,
    ) -> None:
        scheduled(Cron("0 * * * *", timezone="UTC"))
        register_declared()
        rests = MORNING + hours(5)  # it backs off: the deploy may have repaired it
        Schedule.objects.update(failures=3, next_run_at=rests)
        register_declared()
        self.assertEqual(row().next_run_at, MORNING + hours(1))
        advance(hours=2, work=False)
        register_declared()
        self.assertEqual(row().next_run_at, MORNING + hours(1))
        drain()
        self.assertEqual(planned(), [MORNING + hours(2)])

    def test_what_is_no_longer_declared_goes(self) -> None:
        scheduled(Cron(NINE, name="a"), Cron(NINE, name="b"))
        register_declared()
        with isolate_workflows():
            scheduled(Cron(NINE, name="b"))
            self.assertEqual(register_declared(), 1)
        self.assertFalse(Schedule.objects.filter(name="a").exists())
        self.assertTrue(Schedule.objects.filter(name="b").exists())

    def test_schedules_of_workflows_that_this_process_does_not_know_are_left_alone(self) -> None:
        with isolate_workflows():
            scheduled(Cron(NINE))
            register_declared()
        scheduled(name="other")
        register_declared()
        self.assertTrue(row())

    def test_schedules_made_at_run_time_are_left_alone(self) -> None:
        report = scheduled()
        durable.schedule(report, NINE, name="mine")
        register_declared()
        self.assertFalse(row("mine").declared)

    def test_the_name_of_one_made_at_run_time_is_not_taken_over(self) -> None:
        durable.schedule(scheduled(), NINE, name="report")
        with isolate_workflows():
            scheduled(Cron("0 10 * * *", name="report"))
            with self.assertLogs("durable.schedules", "WARNING"):
                register_declared()
        self.assertEqual(row().cron, NINE)

    def test_one_that_can_not_be_registered_is_told_and_keeps_no_other_from_it(self) -> None:
        big = Cron(NINE, name="big", input={"text": "x" * 3000})
        long = Cron(f"{','.join(map(str, range(60)))} {','.join(map(str, range(24)))} * * *")
        scheduled(big, name="a")
        scheduled(long, name="b")
        scheduled(Cron(NINE), name="c")
        with (
            override_settings(DURABLE={"MAX_DATA_BYTES": 2000}),
            self.assertLogs("durable.schedules", "ERROR") as logged,
        ):
            self.assertEqual(register_declared(), 1)
        registered = Schedule.objects.filter(workflow__in="abc").values_list("name", flat=True)
        self.assertEqual(list(registered), ["c"])
        self.assertEqual(len(logged.records), 2)
        self.assertIn("'big' of a", logged.output[0])

    def test_two_workflows_that_declare_one_name_are_told(self) -> None:
        scheduled(Cron(NINE, name="same"), name="a")
        scheduled(Cron("0 10 * * *", name="same"), name="b")
        with self.assertLogs("durable.schedules", "WARNING"):
            register_declared()
        self.assertEqual(row("same").workflow, "a")

    def test_the_highest_version_counts(self) -> None:
        with isolate_workflows():
            scheduled(Cron(NINE, timezone="UTC"), Cron(NINE, name="old"))
            second = scheduled(Cron("0 10 * * *", timezone="UTC"), version=2)
            self.assertIs(registry.latest("report"), second)
            register_declared()
            self.assertEqual(row().cron, "0 10 * * *")
            self.assertFalse(Schedule.objects.filter(name="old").exists())

    def test_in_a_rolling_deploy_an_old_worker_changes_nothing_of_a_newer_version(self) -> None:
        def register(*crons: Cron, version: int) -> int:
            with isolate_workflows():
                scheduled(*crons, version=version)
                return register_declared()

        new = workers.register("new", [], ["report@2"], minutes(1), listening=False)
        register(Cron("0 10 * * *"), Cron(NINE, name="added"), version=2)
        durable.disable_schedule("added")
        old = [Cron(NINE), Cron(NINE, name="dropped")]
        self.assertEqual(register(*old, version=1), 0)
        self.assertEqual((row().cron, row("added").enabled), ("0 10 * * *", False))
        self.assertFalse(Schedule.objects.filter(name="dropped").exists())
        workers.sign_off(new)  # the deploy is rolled back: the old code is all there is
        self.assertEqual(register(*old, version=1), 3)
        self.assertEqual(row().cron, NINE)
        self.assertFalse(Schedule.objects.filter(name="added").exists())

    def test_migrate_registers_them(self) -> None:
        scheduled(Cron(NINE))
        call_command("migrate", verbosity=0)
        self.assertEqual(row().cron, NINE)

    def test_migrate_of_another_database_does_not(self) -> None:
        scheduled(Cron(NINE))
        self.assertEqual(register_after_migrate("other"), 0)
        self.assertFalse(Schedule.objects.filter(name="report").exists())

    def test_the_testing_kit_registers_them(self) -> None:
        scheduled(Cron(NINE, timezone="UTC"))
        drain()
        advance(hours=1)
        self.assertEqual(planned(), [MORNING + hours(1)])

    def test_a_test_begins_without_slots_that_were_missed_before_it(self) -> None:
        """What ``migrate`` registered when the database was made is not due in a test."""
        scheduled(Cron(NINE, timezone="UTC"))
        for at in (MORNING - hours(24 * 400), MORNING + hours(24 * 400)):
            with self.subTest(at=at):
                with time_travel(at, schedules=True):
                    register_declared()
                drain()
                self.assertEqual(planned(), [])
                self.assertEqual(row().next_run_at, MORNING + hours(1))
                Schedule.objects.all().delete()

    def test_a_declared_one_is_removed_from_the_class_and_not_by_a_call(self) -> None:
        report = scheduled(Cron(NINE))
        register_declared()
        with self.assertRaisesMessage(DurableError, "disable_schedule('report')"):
            durable.unschedule("report")
        with self.assertRaisesMessage(DurableError, "declared by report"):
            durable.schedule(report, "0 1 * * *", name="report")
        self.assertEqual(row().cron, NINE)
