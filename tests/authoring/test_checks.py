"""What `manage.py check` says about the settings and the workflows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.core.checks import CheckMessage, Error, Warning, run_checks
from django.test import SimpleTestCase, override_settings

from durable import Data, Workflow, branch, chain, checks, conf, door_checks, step
from durable.authoring.parse import registry
from tests.shop.workflows import Ping


def said(durable: Any) -> list[CheckMessage]:
    """What the check of the settings says, with this ``DURABLE``."""
    with override_settings(DURABLE=durable):
        return checks.check_settings()


def said_about(databases: Any, durable: Any = None) -> list[CheckMessage]:
    """What the check of the databases says."""
    with (
        override_settings(DURABLE=durable or {}),
        patch.object(checks.settings, "DATABASES", databases),
    ):
        return checks.check_databases()


POSTGRES = {"ENGINE": "django.db.backends.postgresql"}
SQLITE = {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {"transaction_mode": "IMMEDIATE"}}


class KeyTests(SimpleTestCase):
    """A key that doesn't exist is refused, and the one that was meant is named."""

    def test_nothing_set_is_fine(self) -> None:
        self.assertEqual(said({}), [])

    def test_the_defaults_are_allowed_values(self) -> None:
        self.assertEqual(said(dict(conf.DEFAULTS)), [])

    def test_every_setting_is_checked(self) -> None:
        self.assertEqual(set(checks.ALLOWED), set(conf.DEFAULTS))

    def test_a_misspelt_key_is_refused_with_a_suggestion(self) -> None:
        (error,) = said({"MAX_DATA_BYTE": 1})
        self.assertIsInstance(error, Error)
        self.assertEqual(error.id, "durable.E001")
        self.assertEqual(error.hint, "Did you mean 'MAX_DATA_BYTES'?")

    def test_a_lower_case_key_is_recognised(self) -> None:
        (error,) = said({"lease": 60})
        self.assertEqual(error.hint, "Did you mean 'LEASE'?")

    def test_a_key_like_none_of_ours_gets_the_list(self) -> None:
        (error,) = said({"ZZZZZZ": 1})
        self.assertIn("Known are API_PERMISSIONS, DATABASE,", error.hint or "")

    def test_a_key_that_is_no_string_is_refused(self) -> None:
        self.assertEqual([error.id for error in said({3: 1})], ["durable.E001"])

    def test_durable_must_be_a_dict(self) -> None:
        for value in (None, [], "LEASE"):
            with self.subTest(value=value):
                self.assertEqual([error.id for error in said(value)], ["durable.E002"])


class ValueTests(SimpleTestCase):
    """Each setting takes what the engine can work with, and nothing else."""

    def allowed(self, key: str, *values: Any) -> None:
        for value in values:
            with self.subTest(key=key, value=value):
                self.assertEqual(said({key: value}), [])

    def refused(self, key: str, *values: Any, id: str = "durable.E003") -> None:
        for value in values:
            with self.subTest(key=key, value=value):
                errors = said({key: value})
                self.assertEqual([error.id for error in errors], [id])
                self.assertIn(key, errors[0].msg)

    def test_durations(self) -> None:
        for key in ("LEASE", "POLL_INTERVAL", "SHUTDOWN_GRACE"):
            self.allowed(key, 1, 0.5, timedelta(seconds=1))
            self.refused(key, 0, -1, True, "60", None, timedelta(0), float("nan"), float("inf"), [])

    def test_retention(self) -> None:
        self.allowed("RETENTION", None, timedelta(days=30), 3600)
        self.refused("RETENTION", 0, "30d", False, timedelta(days=-1))

    def test_sizes(self) -> None:
        for key in ("MAX_DATA_BYTES", "MAX_COLLECTED_BYTES"):
            self.allowed(key, 1, 1024)
            self.refused(key, 0, -1, 1.5, True, None, "1024")

    def test_database(self) -> None:
        self.refused("DATABASE", None, 3)

    def test_log_capture(self) -> None:
        self.allowed("LOG_CAPTURE", None, False, "DEBUG", "WARNING")
        self.refused("LOG_CAPTURE", True, "LOUD", 20, ["INFO"])

    def test_mask(self) -> None:
        self.allowed("MASK", [], ["a"], ("a", "b"), {"a"})
        self.refused("MASK", "password", None, [1], [""], {"a": 1})

    def test_api_permissions(self) -> None:
        self.allowed("API_PERMISSIONS", [], ("shop.permissions.IsClerk",))
        self.refused("API_PERMISSIONS", "a.b", None, ["IsClerk"], ["a b.c"], ["a..b"], [3], {"a.b"})

    def test_public_url(self) -> None:
        self.allowed("PUBLIC_URL", None, "https://example.com", "http://localhost:8000/base")
        self.refused(
            "PUBLIC_URL", "", "example.com", "ftp://example.com", "https://", "http://[", 3, b"x"
        )

    def test_webhooks(self) -> None:
        self.allowed("WEBHOOKS", {}, {"stripe": {"scheme": "stripe"}})
        self.refused("WEBHOOKS", None, [], {"stripe": "secret"}, {3: {}})

    def test_the_value_of_a_webhook_is_not_printed(self) -> None:
        (error,) = said({"WEBHOOKS": {"stripe": "whsec_123"}})
        self.assertNotIn("whsec_123", str(error))

    def test_queues(self) -> None:
        self.allowed("QUEUES", {"default": {}}, {"a": {"concurrency": 1}, "b": {"concurrency": 99}})
        self.refused("QUEUES", None, {}, [], {"default": 10}, {3: {}})
        self.refused("QUEUES", {"a": {"concurrency": 0}}, {"a": {"concurrency": "2"}})

    def test_options_of_queues_that_come_later_are_refused(self) -> None:
        self.refused("QUEUES", {"a": {"rate_limit": 5}}, {"a": {3: 5}}, id="durable.E004")

    def test_a_misspelt_option_of_a_queue_gets_a_suggestion(self) -> None:
        (error,) = said({"QUEUES": {"a": {"concurency": 5}}})
        self.assertEqual(error.hint, "Did you mean 'concurrency'?")

    def test_all_that_is_wrong_is_said_at_once(self) -> None:
        errors = said({"LEASE": 0, "LEESE": 1, "QUEUES": {"a": {"concurrency": 0, "x": 1}}})
        self.assertEqual(
            [error.id for error in errors],
            ["durable.E001", "durable.E003", "durable.E003", "durable.E004"],
        )


class DatabaseTests(SimpleTestCase):
    """The engine's database exists, is one it works on, and is set up for several writers."""

    def test_one_database_is_fine(self) -> None:
        self.assertEqual(said_about({"default": POSTGRES}), [])
        self.assertEqual(said_about({"default": SQLITE}), [])

    def test_an_alias_that_does_not_exist_is_refused(self) -> None:
        (error,) = said_about({"default": POSTGRES}, {"DATABASE": "defualt"})
        self.assertEqual((error.id, error.hint), ("durable.E005", "Did you mean 'default'?"))

    def test_an_empty_default_does_not_count(self) -> None:
        databases = {"default": {}, "jobs": POSTGRES}
        self.assertEqual([e.id for e in said_about(databases)], ["durable.E005"])
        self.assertEqual(said_about(databases, {"DATABASE": "jobs"}), [])

    def test_sqlite_without_immediate_transactions_is_warned_about(self) -> None:
        for options in ({}, {"OPTIONS": {}}, {"OPTIONS": {"transaction_mode": "DEFERRED"}}):
            with self.subTest(options=options):
                database = {"ENGINE": "django.db.backends.sqlite3", **options}
                (warning,) = said_about({"default": database})
                self.assertIsInstance(warning, Warning)
                self.assertEqual(warning.id, "durable.W010")

    def test_the_mode_may_be_written_in_lower_case(self) -> None:
        database = {**SQLITE, "OPTIONS": {"transaction_mode": "immediate"}}
        self.assertEqual(said_about({"default": database}), [])

    def test_times_without_zones_are_refused(self) -> None:
        with override_settings(USE_TZ=False):
            (error,) = said_about({"default": POSTGRES})
        self.assertIsInstance(error, Error)
        self.assertEqual(error.id, "durable.E016")
        self.assertIn("Set USE_TZ = True", error.hint or "")

    def test_a_time_zone_of_an_sqlite_database_is_refused(self) -> None:
        (error,) = said_about({"default": {**SQLITE, "TIME_ZONE": "Asia/Tokyo"}})
        self.assertEqual(error.id, "durable.E017")
        for fine in ({**SQLITE, "TIME_ZONE": None}, {**POSTGRES, "TIME_ZONE": "Asia/Tokyo"}):
            self.assertEqual(said_about({"default": fine}), [])

    def test_a_pool_with_too_few_connections_is_warned_about(self) -> None:
        ten = {"QUEUES": {"default": {"concurrency": 10}}}
        for pool, size in ((True, 4), ({"max_size": 11}, 11), ({"min_size": 2}, 2)):
            with self.subTest(pool=pool):
                database = {**POSTGRES, "OPTIONS": {"pool": pool}}
                (warning,) = said_about({"default": database}, ten)
                self.assertEqual(warning.id, "durable.W018")
                self.assertIn(f"has {size} connections", warning.msg)
                self.assertIn("up to 12", warning.msg)
        for fine in ({"max_size": 12}, False, None):
            database = {**POSTGRES, "OPTIONS": {"pool": fine}}
            self.assertEqual(said_about({"default": database}, ten), [])

    def test_further_databases_are_warned_about(self) -> None:
        (warning,) = said_about({"default": POSTGRES, "crm": POSTGRES})
        self.assertEqual(warning.id, "durable.W011")
        self.assertIn("atomic on the database 'default' only", warning.msg)
        self.assertIn("'crm'", warning.msg)

    def test_a_database_that_the_engine_does_not_work_on_is_refused(self) -> None:
        (error,) = said_about({"default": {"ENGINE": "django.db.backends.mysql"}})
        self.assertEqual(error.id, "durable.E006")

    def test_a_wrong_type_is_said_once(self) -> None:
        self.assertEqual(said_about({"default": POSTGRES}, {"DATABASE": 3}), [])


class RegistrationTests(SimpleTestCase):
    """`manage.py check` runs them."""

    def setUp(self) -> None:
        # Not what other tests have defined: their workflows may be odd on purpose.
        self.enterContext(patch.object(registry, "all", return_value=[Ping]))

    def test_the_suite_itself_is_clean(self) -> None:
        self.assertEqual(run_checks(tags=["durable"]), [])

    def test_a_wrong_setting_shows(self) -> None:
        with override_settings(DURABLE={"LEESE": 1}):
            found = run_checks(tags=["durable"])
        self.assertEqual([message.id for message in found], ["durable.E001"])


class WorkflowTests(SimpleTestCase):
    """What is allowed in a workflow but perhaps not meant is said, with the class."""

    def test_a_workflow_of_an_installed_app_is_found(self) -> None:
        self.assertIs(registry.latest("ping"), Ping)

    def test_a_branch_without_default_and_an_unused_step_are_warned_about(self) -> None:
        with registry.isolate():

            class Odd(Workflow):
                @step
                def first(self, data: Data) -> None: ...

                @step
                def forgotten(self, data: Data) -> None: ...

                flow = chain(branch(on="kind", cases={"a": first}))

            found = [message for message in checks.check_workflows() if message.obj is Odd]
        self.assertEqual({type(message) for message in found}, {Warning})
        self.assertEqual({message.id for message in found}, {"durable.W101", "durable.W102"})


class LinkTests(SimpleTestCase):
    """Where mails are on, the pages exist that their links lead to."""

    def said(self, **durable: Any) -> list[str | None]:
        with override_settings(DURABLE=durable):
            return [message.id for message in door_checks.check_links()]

    def test_mails_without_the_page_of_their_links_are_noticed(self) -> None:
        with override_settings(ROOT_URLCONF="tests.crash.urls"):
            self.assertEqual(self.said(PUBLIC_URL="https://example.com"), ["durable.W016"])
            self.assertEqual(self.said(), [])

    def test_with_the_page_all_is_well(self) -> None:
        self.assertEqual(self.said(PUBLIC_URL="https://example.com"), [])
