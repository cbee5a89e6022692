"""Hiding what looks secret in a text takes time in proportion to the text, whatever is in it."""

from __future__ import annotations

import time
from unittest import TestCase

from durable.showing.masking import HIDDEN, mask_text

PATIENCE = 10.0  # seconds of this process; a quadratic search would take hours


class LongTextTests(TestCase):
    """Texts that are made to be searched for long."""

    def test_long_words_and_long_chains_are_read_once(self) -> None:
        size = 400_000
        for text in ("a" * size, "a=" * size, 'a: "' * size, "password=" * size, "token " * size):
            begun = time.process_time()
            mask_text(text)
            self.assertLess(time.process_time() - begun, PATIENCE)

    def test_a_secret_inside_the_value_of_another_name_is_hidden(self) -> None:
        for text in (
            'details={"password": "pw-1"}',
            r"{\"password\": \"pw-1\"}",
            '"message": "it broke, token=pw-1"',
            "a=b=c=token=pw-1",
        ):
            hidden = mask_text(text)
            self.assertNotIn("pw-1", hidden)
            self.assertIn(HIDDEN, hidden)
