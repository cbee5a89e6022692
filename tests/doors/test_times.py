"""Moments and spans are written in one way for each medium, in the reader's zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.core import mail
from django.test import SimpleTestCase, override_settings
from django.utils import timezone

from durable.people.reach import links
from durable.showing import times
from durable.testing import time_travel
from tests.cases import WorkflowTestCase
from tests.doors.test_links import address
from tests.people.asking import NOON, AskingMixin

AT = datetime(2026, 3, 2, 23, 30, 5, tzinfo=UTC)


@override_settings(TIME_ZONE="Europe/Berlin")
class MomentTests(SimpleTestCase):
    """The same moment in each medium."""

    def test_pages(self) -> None:
        self.assertEqual(times.absolute(AT), "2026-03-03 00:30:05 CET")
        self.assertEqual(times.ago(AT, AT + timedelta(hours=3)), "3 h ago")
        self.assertEqual(times.in_words(AT, AT + timedelta(hours=1)), "00:30")
        self.assertEqual(times.in_words(AT, AT - timedelta(hours=1)), "3 Mar 2026, 00:30")
        self.assertEqual(times.in_drawing(AT), "3 Mar 00:30")
        self.assertEqual((times.hour(AT), times.of_day(AT)), ("00:00", "00:30:05.000"))

    def test_a_slot_is_in_the_zone_of_its_schedule(self) -> None:
        self.assertEqual(times.slot(AT), "Mon 2026-03-02 23:30 UTC")

    def test_mails(self) -> None:
        self.assertEqual(times.in_mail(AT), "March 3, 2026, 12:30 a.m. CET")

    def test_terminals(self) -> None:
        self.assertEqual(times.in_cell(AT), "2026-03-03 00:30:05")
        self.assertEqual(times.age(AT, AT + timedelta(hours=3)), "3h")
        self.assertEqual(times.age(AT, AT - timedelta(minutes=3)), "in 3m")
        self.assertEqual((times.in_cell(None), times.age(None, AT)), ("-", "-"))


class SpanTests(SimpleTestCase):
    def test_pages(self) -> None:
        for seconds, words in (
            (0.038, "38 ms"),
            (4.2, "4.2 s"),
            (185, "3 min 5 s"),
            (3600, "1 h"),
            (187_200, "2 d 4 h"),
        ):
            self.assertEqual(times.duration(timedelta(seconds=seconds)), words)

    def test_terminals(self) -> None:
        for seconds, words in (
            (0, "0s"),
            (0.25, "0.25s"),
            (59.6, "1m"),
            (61, "1m 1s"),
            (3600, "1h"),
            (3605, "1h"),
            (90061, "1d 1h"),
        ):
            self.assertEqual(times.span(seconds), words)


class MailTests(AskingMixin, WorkflowTestCase):
    """Nobody knows in which zone the reader of a mail is."""

    def test_the_times_of_a_mail_and_of_the_page_behind_it_name_their_zone(self) -> None:
        self.people()
        mail.outbox.clear()
        with time_travel(NOON), timezone.override("Europe/Berlin"):
            wait = self.asked(assignees=["user:named"], due=48, timeout=72)
            (message,) = mail.outbox
            (made, _reject) = links.make(wait, self.users["named"])
            page = self.client.get(address(made.token)).content.decode()
        due, closes = "March 5, 2025, 1 p.m. CET", "March 6, 2025, 1 p.m. CET"
        for text in (str(message.body), message.alternatives[0][0]):  # type: ignore[attr-defined]
            self.assertIn(due, text)
            self.assertIn(closes, text)
        self.assertIn(due, page)
