"""No list tells what its pages hide: not by a look-up, not by an order, not by a filter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import admin
from django.db import connection, models
from django.test import Client, TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import durable
from durable import Workflow, step
from durable.models import AuditEntry, Event, Execution, Input, Queue, Schedule, Worker
from durable.testing import drain
from tests.doors.people import OPERATOR, person

SECRET = "s3cr3t-value"
LISTS: tuple[type[models.Model], ...] = (
    AuditEntry, Event, Execution, Input, Queue, Schedule, Worker,
)  # fmt: skip
LOOKUPS = (
    "", "__exact", "__contains", "__icontains", "__startswith", "__regex", "__iregex", "__gt",
    "__lt", "__in", "__isnull", "__range", "__year", "__date", "__has_key", "__password",
)  # fmt: skip
#: values at which databases or Django stumble
ODD = ("[", "99999999999", "\u0000", "1,2", "{" * 10_000)


def columns(model: type[models.Model]) -> Iterator[str]:
    """Every column, and every column behind each of its keys."""
    for field in model._meta.get_fields():
        yield field.name
        if field.is_relation and field.related_model:
            for other in field.related_model._meta.get_fields():  # type: ignore[union-attr]
                yield f"{field.name}__{other.name}"


@contextmanager
def bounded(test: TestCase) -> Iterator[None]:
    """As many statements, and as long ones, as for a request that somebody has written."""
    with CaptureQueriesContext(connection) as statements:
        yield
    test.assertLess(len(statements), 60)
    test.assertLess(max((len(one["sql"]) for one in statements), default=0), 20_000)


class AdminLookupTests(TestCase):
    """The lists of the admin, for an operator who may not see payloads."""

    def setUp(self) -> None:
        class Asks(Workflow):
            @step
            def ask(self, data):  # type: ignore[no-untyped-def]
                self.wait_for_text("name", metadata={"password": SECRET})

        execution = durable.start(Asks, {"password": SECRET}, tags={"password": SECRET})
        drain()
        durable.send_event(execution.pk, "go", {"password": SECRET}, by=None)
        self.client = Client()
        self.client.force_login(person("operator", *OPERATOR))

    def address(self, model: type[models.Model]) -> str:
        return reverse(f"admin:durable_{model._meta.model_name}_changelist")

    def offered(self, model: type[models.Model]) -> set[str]:
        pages = admin.site._registry[model]
        found: set[str] = set()
        for one in pages.list_filter:
            if isinstance(one, str):
                found |= {f"{one}__exact", f"{one}__isnull"}
            else:
                found |= {one.parameter_name}  # type: ignore[union-attr]
                found |= {name for name, *_ in getattr(one, "inputs", ())}
        return found

    def test_every_list_is_tried(self) -> None:
        registered = {model for model in admin.site._registry if model._meta.app_label == "durable"}
        self.assertEqual(registered, set(LISTS))

    def test_no_list_takes_a_look_up_that_it_does_not_offer(self) -> None:
        taken: list[str] = []
        for model in LISTS:
            pages = admin.site._registry[model]
            offered = self.offered(model)
            for column in columns(model):
                taken += [
                    f"{model.__name__}: {column}{lookup}"
                    for lookup in LOOKUPS
                    if column + lookup not in offered
                    and pages.lookup_allowed(column + lookup, SECRET, None)  # type: ignore[arg-type]
                ]
        self.assertEqual(taken, [])

    def test_what_is_not_offered_is_refused_by_the_page(self) -> None:
        asked = {
            Event: ("payload__contains", "created_at__year", "name__regex"),
            AuditEntry: ("after__contains", "before__contains", "target__regex"),
            Execution: ("input__contains", "data__contains", "error__contains", "tags__password"),
            Input: ("question__contains", "answer__contains", "execution__input__contains"),
            Schedule: ("input__contains", "name__regex", "created_at__year"),
            Queue: ("name__regex", "name__contains"),
            Worker: ("name__regex", "kinds__contains"),
        }
        self.assertEqual(set(asked), set(LISTS))
        for model, names in asked.items():
            for name in names:
                for value in (SECRET, "[", "\u0000"):
                    with self.subTest(model=model.__name__, asked=name, value=value):
                        page = self.client.get(self.address(model), {name: value})
                        if page.status_code == 200:  # a page of ours, which reads no such thing
                            self.assertNotIn("cl", page.context)
                        else:
                            self.assertIn(page.status_code, (302, 400), page.content[:200])

    def test_no_value_of_a_filter_breaks_a_page(self) -> None:
        for model in LISTS:
            for name in sorted(self.offered(model)):
                for value in ODD:
                    with self.subTest(model=model.__name__, name=name, value=value[:20]):
                        page = self.client.get(self.address(model), {name: value})
                        self.assertIn(page.status_code, (200, 302), page.content[:200])

    def test_lists_are_sorted_by_the_columns_that_offer_it(self) -> None:
        for model in LISTS:
            pages = admin.site._registry[model]
            for order in [*map(str, range(10)), "-2", "-9", "99999999999", "x.1.2", "-" * 50]:
                with self.subTest(model=model.__name__, order=order):
                    page = self.client.get(self.address(model), {"o": order})
                    if page.status_code != 200:
                        continue
                    changes = page.context.get("cl") if page.context else None
                    if changes is None:
                        continue
                    ordering = changes.queryset.query.order_by
                    names = {str(one).lstrip("-") for one in ordering}
                    usual = {one.lstrip("-") for one in changes._get_default_ordering()} | {"pk"}
                    sortable = {
                        changes.get_ordering_field(one)
                        for one in changes.list_display
                        if pages.sortable_by is None or one in pages.sortable_by
                    }
                    self.assertLessEqual(names, usual | sortable | {"id"})

    def test_a_search_is_no_longer_than_anybody_writes(self) -> None:
        for model in LISTS:
            for text in (" ".join(["word"] * 1000), "w" * 10_000, "a " * 40, '"' * 300):
                with self.subTest(model=model.__name__, text=text[:12]):
                    with bounded(self):
                        page = self.client.get(self.address(model), {"q": text})
                    self.assertEqual(page.status_code, 200)


class PromptTests(TestCase):
    """The search of the questions reads a prompt as it is shown."""

    def setUp(self) -> None:
        class Asks(Workflow):
            @step
            def ask(self, data):  # type: ignore[no-untyped-def]
                self.wait_for_text("why", prompt=f"Is password={SECRET} Gut genug?")

        durable.start(Asks)
        drain()
        self.client = Client()

    def found(self, *permissions: str, **asked: str) -> int:
        self.client.force_login(person("-".join(permissions) or "kim", *OPERATOR, *permissions))
        page = self.client.get(reverse("admin:durable_input_changelist"), {"show": "all", **asked})
        self.assertEqual(page.status_code, 200)
        return len(page.context["cl"].result_list)

    def test_no_word_and_no_part_of_a_word_tells_what_is_masked(self) -> None:
        self.client.force_login(person("kim", *OPERATOR))
        for word in (SECRET, SECRET[:3], f"password={SECRET[:4]}", SECRET.upper(), "s3%", "s3_r3t"):
            for words in (word, f"gut {word}"):
                with self.subTest(words):
                    page = self.client.get(
                        reverse("admin:durable_input_changelist"), {"show": "all", "q": words}
                    )
                    self.assertEqual(len(page.context["cl"].result_list), 0)

    def test_what_is_shown_is_found(self) -> None:
        self.assertEqual(self.found(q="gut genug?"), 1)
        self.assertEqual(self.found("view_payload", q=SECRET), 1)


class RestFilterTests(TestCase):
    """The lists of the REST API, for the same operator."""

    def setUp(self) -> None:
        class Runs(Workflow):
            @step
            def one(self, data):  # type: ignore[no-untyped-def]
                pass

        durable.start(Runs, {}, tags={"password": SECRET, "plan": "gold"})
        self.client = Client()
        self.client.force_login(person("operator", *OPERATOR))

    def test_a_masked_tag_finds_nothing(self) -> None:
        for name, value, found in (
            ("plan", "gold", 1),
            ("password", SECRET, 0),
            ("password", "other", 0),
        ):
            with self.subTest(name, value=value):
                page = self.client.get("/durable/executions/", {"tag": f"{name}:{value}"})
                self.assertEqual(len(page.json()["results"]), found, page.content)

    def test_who_may_see_payloads_finds_by_it(self) -> None:
        self.client.force_login(person("auditor", *OPERATOR, "view_payload"))
        page = self.client.get("/durable/executions/", {"tag": f"password:{SECRET}"})
        self.assertEqual(len(page.json()["results"]), 1)

    def test_no_list_of_values_is_longer_than_anybody_writes(self) -> None:
        for name, values in (
            ("tag", [f"a:{n}" for n in range(3000)]),
            ("status", ["pending"] * 3000),
            ("tag", ["a:" + "[" * 50_000]),
            ("key", ["x" * 50_000]),
            ("subject", ["a.b:" + "x" * 50_000]),
        ):
            with self.subTest(name, many=len(values)), bounded(self):
                page = self.client.get("/durable/executions/", {name: values})
                self.assertIn(page.status_code, (200, 400), page.content[:300])
