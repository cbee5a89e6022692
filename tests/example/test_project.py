"""What belongs to the example around its workflows: samples, admin, length of days."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from io import StringIO

from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import SimpleTestCase, override_settings
from django.urls import reverse

from durable import days
from durable.authoring.parse import registry
from durable.models import Execution, Wait
from durable.testing import drain, time_travel
from example_project.shop import workflows
from example_project.shop.workflows.days import day
from tests.example.cases import ScheduledTestCase


@time_travel()
class SamplesTests(ScheduledTestCase):
    """``manage.py start_samples``: something to see in the admin, of each workflow."""

    def setUp(self) -> None:
        super().setUp()
        drain()  # as after ``migrate``: the schedule is there
        call_command("start_samples", stdout=StringIO())

    def test_all_eight_are_there_in_many_states(self) -> None:
        drain()
        found = Execution.objects.roots().values_list("workflow", "status")
        self.assertEqual(
            Counter(found),
            {
                ("process_order", "completed"): 1,
                ("process_order", "pending"): 1,
                ("process_order", "failed"): 1,
                ("expense_approval", "waiting"): 3,
                ("build_dashboard", "completed"): 1,
                ("send_campaign", "completed"): 1,
                ("book_trip", "completed"): 1,
                ("book_trip", "compensated"): 1,
                ("daily_sales_report", "completed"): 1,
                ("trial_reminder", "waiting"): 1,
                ("payment_flow", "waiting"): 1,
            },
        )
        self.assertEqual(Wait.objects.open().filter(name="manager").count(), 3)
        self.assertEqual(Execution.objects.filter(role="item", status="failed").count(), 1)

    def test_they_are_started_once(self) -> None:
        count = Execution.objects.count()
        again = StringIO()
        call_command("start_samples", stdout=again)
        self.assertIn("before", again.getvalue())
        self.assertEqual(Execution.objects.count(), count)

    def test_every_row_of_the_shop_is_in_the_admin(self) -> None:
        drain()
        self.client.force_login(User.objects.create_superuser("root"))
        for model in apps.get_app_config("example_shop").get_models():
            with self.subTest(model=model.__name__):
                page = reverse(f"admin:example_shop_{model._meta.model_name}_changelist")
                answer = self.client.get(page)
                self.assertEqual(answer.status_code, 200)
                row = model._default_manager.first()
                if row is not None:
                    page = reverse(
                        f"admin:example_shop_{model._meta.model_name}_change", args=[row.pk]
                    )
                    self.assertContains(self.client.get(page), str(row))


class PackageTests(SimpleTestCase):
    """A package of workflows in place of one module."""

    def test_all_are_found(self) -> None:
        found = {
            cls.definition.name
            for cls in registry.all()
            if cls.__module__.startswith("example_project.shop.")
        }
        named = {getattr(workflows, name).definition.name for name in workflows.__all__}
        self.assertEqual(len(named), 8)
        self.assertEqual(found, named - {"daily_sales_report"})  # which tests have to ask for


class DayTests(SimpleTestCase):
    """How long a day is."""

    @override_settings(EXAMPLE_DAY=timedelta(seconds=2))
    def test_it_is_as_long_as_the_settings_say(self) -> None:
        self.assertEqual(day(), timedelta(seconds=2))

    def test_a_day_is_a_day_unless_something_else_is_said(self) -> None:
        self.assertEqual(day(), days(1))


class OtherTests(SimpleTestCase):
    """The schedule of the example fires in no test but its own."""

    def test_they_know_nothing_of_it(self) -> None:
        self.assertNotIn("daily_sales_report@1", registry.kinds())
