"""The payment provider's webhook, signed as Standard Webhooks are."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from io import StringIO

from django.core.management import call_command
from django.test import override_settings

from durable.models import Execution
from durable.testing import assert_completed, drain
from example_project import settings as example_settings
from example_project.shop.models import Order
from tests.example.cases import ScheduledTestCase


@override_settings(ROOT_URLCONF="example_project.urls", DURABLE=example_settings.DURABLE)
class WebhookTests(ScheduledTestCase):
    """An order of the samples is paid."""

    def test_a_webhook_pays_the_sample_order(self) -> None:
        drain()  # as after ``migrate``: the schedule is there
        call_command("start_samples", stdout=StringIO())
        drain()
        reference = "S-6"
        body = json.dumps({"type": "payment.success", "data": {"order_id": reference}})
        now = str(int(time.time()))
        key = base64.b64decode(example_settings.DEVELOPMENT_SECRET.removeprefix("whsec_"))
        digest = hmac.new(key, f"msg_1.{now}.{body}".encode(), hashlib.sha256).digest()
        headers = {
            "webhook-id": "msg_1",
            "webhook-timestamp": now,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }
        for _ in range(2):
            answer = self.client.post(
                "/durable/webhooks/payments/", body, "application/json", headers=headers
            )
            self.assertEqual(answer.status_code, 202, answer.content)
        drain()
        self.assertEqual(Order.objects.get(reference=reference).status, "fulfilled")
        paid = Execution.objects.get(workflow="payment_flow", keys__key=reference)
        assert_completed(paid)
