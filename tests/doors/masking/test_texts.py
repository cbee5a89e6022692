"""What looks secret in a text is hidden, whatever stands before it."""

from __future__ import annotations

from django.test import SimpleTestCase

from durable.showing.masking import HIDDEN, mask_text


class TextTests(SimpleTestCase):
    """Log lines, messages, tracebacks."""

    def test_a_secret_behind_another_name_is_hidden_too(self) -> None:
        for text, masked in (
            ("ValueError: token=abc is broken", f"ValueError: token={HIDDEN} is broken"),
            ('raise ValueError("token=abc")', f'raise ValueError("token={HIDDEN})'),
            ('note: "password: x, n: 1"', f'note: "password: {HIDDEN}, n: 1"'),
            ("Authorization: Bearer abc.def", f"Authorization: {HIDDEN}"),
            ("url=/pay?token=abc&n=1", f"url=/pay?token={HIDDEN}&n=1"),
            ("n=1, total: 3", "n=1, total: 3"),
        ):
            with self.subTest(text):
                self.assertEqual(mask_text(text), masked)
