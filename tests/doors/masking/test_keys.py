"""Secrets are hidden by the names of their keys, everything else is shown as it is."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest import TestCase

from django.test import SimpleTestCase, override_settings

from durable.showing.masking import HIDDEN, mask, mask_text


class MaskTests(SimpleTestCase):
    def test_keys_that_look_secret_are_hidden_at_any_depth(self) -> None:
        value = {"user": {"Password": "p", "list": [{"X-API-Key": 1}, {"apiKey": [2]}]}, "n": 3}
        hidden = {"user": {"Password": HIDDEN, "list": [{"X-API-Key": HIDDEN}]}, "n": 3}
        hidden["user"]["list"].append({"apiKey": HIDDEN})  # type: ignore[index]
        self.assertEqual(mask(value), hidden)
        self.assertEqual(value["user"]["Password"], "p", "the original is left alone")  # type: ignore[index]

    def test_what_a_secret_holds_does_not_show_either(self) -> None:
        self.assertEqual(mask({"tokens": {"a": {"b": "c"}}}), {"tokens": HIDDEN})

    def test_nothing_is_not_a_secret(self) -> None:
        self.assertEqual(mask({"token": None}), {"token": None})

    def test_other_values_are_shown_as_they_are(self) -> None:
        value = {"at": datetime(2024, 1, 1, tzinfo=UTC), "t": (1, 2), "s": "token"}
        self.assertEqual(mask(value), {"at": value["at"], "t": [1, 2], "s": "token"})

    @override_settings(DURABLE={"MASK": ["iban", "x-*-id"]})
    def test_the_setting_names_the_keys(self) -> None:
        value = {"password": 1, "myIban": 2, "x_user_id": 3, "prefix-x-user-id": 4}
        masked = {"password": 1, "myIban": HIDDEN, "x_user_id": HIDDEN, "prefix-x-user-id": 4}
        self.assertEqual(mask(value), masked)

    @override_settings(DURABLE={"MASK": []})
    def test_without_keys_nothing_is_hidden(self) -> None:
        self.assertEqual(mask({"password": 1}), {"password": 1})
        self.assertEqual(mask_text("password=1"), "password=1")


class TextTests(TestCase):
    def test_secrets_in_a_text_are_hidden(self) -> None:
        for text in (
            "login password=hunter2 ok",
            'payload {"api_key": "hunter2", "n": 1}',
            "{'token': 'hunter2'}",
            "Authorization: hunter2",
        ):
            with self.subTest(text):
                self.assertNotIn("hunter2", mask_text(text))
                self.assertIn(HIDDEN, mask_text(text))

    def test_the_rest_of_a_text_stays(self) -> None:
        text = 'step=charge at 12:30, {"n": 1, "url": "https://example.com/?a=b"}\nline 2'
        self.assertEqual(mask_text(text), text)
