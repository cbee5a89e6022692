"""The payment provider's webhook, as the documentation sends it from a shell."""

from __future__ import annotations

import subprocess
from io import StringIO
from itertools import pairwise
from pathlib import Path

from django.core.management import call_command
from django.test import override_settings

from durable.models import Execution
from durable.testing import assert_completed, drain
from example_project import settings as example_settings
from example_project.shop.models import Order
from tests.example.cases import ScheduledTestCase
from tests.typing.readme import blocks

ROOT = Path(__file__).resolve().parent.parent.parent


@override_settings(ROOT_URLCONF="example_project.urls", DURABLE=example_settings.DURABLE)
class WebhookTests(ScheduledTestCase):
    """An order of the samples is paid."""

    def test_the_line_for_the_shell_pays_the_sample_order(self) -> None:
        drain()  # as after ``migrate``: the schedule is there
        call_command("start_samples", stdout=StringIO())
        drain()
        page = ROOT / "docs" / "how-to" / "receive-webhooks.md"
        (sample,) = (one.text for one in blocks(page, "sh") if "curl" in one.text)
        shown = 'curl() { for given in "$@"; do printf \'%s\\n\' "$given"; done; }\n'
        done = subprocess.run(
            ["sh", "-c", shown + sample], capture_output=True, text=True, timeout=30, check=True
        )
        given = done.stdout.splitlines()
        headers = {
            name: value.strip()
            for flag, header in pairwise(given)
            if flag == "-H"
            for name, _, value in [header.partition(":")]
        }
        kind, path = headers.pop("Content-Type"), given[1].partition("8000")[2]
        body = given[given.index("-d") + 1]
        for _ in range(2):
            answer = self.client.post(path, body, kind, headers=headers)
            self.assertEqual(answer.status_code, 202, answer.content)
        drain()
        reference = "S-6"
        self.assertEqual(Order.objects.get(reference=reference).status, "fulfilled")
        paid = Execution.objects.get(workflow="payment_flow", keys__key=reference)
        assert_completed(paid)
