"""What is asked in a way that can't be meant is refused; it is no error of the server's."""

from __future__ import annotations

from typing import Any

from django.test import override_settings

import durable
from durable import Data, DurableError, Workflow, WorkflowMeta, step
from durable.models import Execution
from tests.doors.rest.cases import Api, RestTestCase

#: JSON's numbers that some database can't compare with, and words that are none of JSON's
ODD_NUMBERS = (
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "9999999999999999999",
    "1e400", "-1e400", "1e308", "NaN", "Infinity", "-Infinity",
)  # fmt: skip


class StartTests(RestTestCase):
    """An input that fits the schema of the request, and not the workflow."""

    def setUp(self) -> None:
        super().setUp()

        class Keyed(Workflow):
            class Meta(WorkflowMeta):
                key = lambda input: f"order:{input['order_id']}"  # noqa: E731

            @step
            def go(self, data: Data) -> Data:
                return data

        self.keyed = Keyed

    def test_an_input_from_which_the_key_cant_be_told_is_400_and_stores_nothing(self) -> None:
        answer = self.assertNothingStored(
            lambda: self.as_operator.post("executions/", {"workflow": "keyed", "input": {"n": 1}})
        )
        self.assertProblem(answer, 400, "Meta.key of keyed can't be told from this input: KeyError")

    def test_a_program_is_told_in_the_same_words_with_the_cause(self) -> None:
        for start in (
            lambda: durable.start(self.keyed, {}),
            lambda: durable.start_many(self.keyed, [{"order_id": 1}, {}]),
        ):
            with self.assertRaisesMessage(DurableError, "Meta.key of keyed") as caught:
                start()
            self.assertIsInstance(caught.exception.__cause__, KeyError)
        self.assertFalse(Execution.objects.exists())


class TagTests(RestTestCase):
    """Tags that are asked for by a number."""

    def test_a_number_that_no_database_knows_is_a_text_like_any_other(self) -> None:
        for text in ODD_NUMBERS:
            with self.subTest(text):
                row = durable.start("plain", tags={"n": text})
                found = self.as_viewer.get("executions/", tag=f"n:{text}")
                self.assertEqual(found.status_code, 200, found.content)
                self.assertEqual([one["id"] for one in found.body["results"]], [str(row.pk)])

    def test_large_whole_numbers_are_found_by_their_value(self) -> None:
        for number in (2**63 - 1, 2**63, -(2**63) - 1, 10**30, 10**400):
            with self.subTest(number=number):
                row = durable.start("plain", tags={"n": number})
                self.assertEqual(list(durable.list_executions(tags={"n": number})), [row])


class ThrottleTests(RestTestCase):
    """The name of a source is part of an address that anybody may write."""

    def limited(self, rate: str) -> Any:
        """A limit, counted in a cache that is as strict as memcached."""
        cache = {"default": {"BACKEND": "tests.doors.strict_cache.StrictCache", "LOCATION": rate}}
        rates = {"DEFAULT_THROTTLE_RATES": {"durable_webhook": rate}}
        return override_settings(CACHES=cache, REST_FRAMEWORK=rates)

    def test_an_address_of_no_source_is_404_whatever_the_cache_takes_as_a_key(self) -> None:
        with self.limited("100/min"):
            for name in ("x" * 300, "a%20b", "%0A", "\u00e9"):
                with self.subTest(name):
                    self.assertProblem(Api().raw(f"webhooks/{name}/", b"{}"), 404)

    def test_other_names_are_no_way_around_the_limit(self) -> None:
        with self.limited("2/min"):
            codes = [Api().raw(f"webhooks/none-{n}/", b"{}").status_code for n in range(3)]
        self.assertEqual(codes, [404, 404, 429])
