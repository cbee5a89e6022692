"""People are told when they are asked, reminded, when it escalates, and when it is handed on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

from django.contrib.auth.models import Group, Permission, User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.test import override_settings

import durable
from durable import clock, signals
from durable.engine.duties.duty import duties_of
from durable.engine.duties.pulse import pulse
from durable.engine.duties.rota import Rota
from durable.models import AnswerLink, Wait
from durable.people import notices
from durable.testing import advance, drain, time_travel, worker
from tests.cases import ThreadedTestCase, WorkflowTestCase, together, until
from tests.people.asking import NOON, PUBLIC, XSS, AskingMixin


@contextmanager
def heard() -> Iterator[list[tuple[str, list[str], Any]]]:
    """Each signal with whom it is for, and the time."""
    told: list[tuple[str, list[str], Any]] = []
    receivers = []
    for kind, signal in notices.SIGNALS.items():

        def receive(sender: Any, wait: Wait, to: list[str], kind: str = kind, **kw: Any) -> None:
            assert sender is Wait
            told.append((kind, to, clock.frozen_at()))

        signal.connect(receive)
        receivers.append((signal, receive))
    try:
        yield told
    finally:
        for signal, receive in receivers:
            signal.disconnect(receive)


class NoticeCase(AskingMixin, WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.people()
        self.enterContext(time_travel(NOON))
        mail.outbox.clear()

    def mailed(self) -> list[tuple[str, str]]:
        """(Whom, which subject) of the mails since the last look."""
        found = [(message.to[0].partition("@")[0], str(message.subject)) for message in mail.outbox]
        mail.outbox.clear()
        return found


class PlanTests(NoticeCase):
    """Signals are sent at their times, in order, and to those whom they are about."""

    def test_assignees_are_told_at_the_opening(self) -> None:
        with heard() as told:
            wait = self.asked(assignees=["user:named", "group:finance"])
        self.assertEqual(told, [("asked", ["user:named", "group:finance"], NOON)])
        self.assertIsNone(Wait.objects.get(pk=wait.pk).notice_at)

    def test_a_question_for_anybody_is_announced_to_nobody(self) -> None:
        with heard() as told:
            self.asked()
            advance(days=30)
        self.assertEqual(told, [])

    def test_reminders_come_every_interval_while_it_is_open(self) -> None:
        with heard() as told:
            execution = self.ask(assignees=["user:named"], remind=24)
            told.clear()
            advance(days=3)
            times = [NOON + timedelta(days=day) for day in (1, 2, 3)]
            self.assertEqual(told, [("reminder", ["user:named"], at) for at in times])
            durable.provide_input(execution.id, "q", "approved")
            told.clear()
            advance(days=3)
            self.assertEqual(told, [])

    def test_reminders_of_a_question_for_anybody_go_to_whoever_may_approve(self) -> None:
        with heard() as told:
            self.asked(remind=24)
            advance(days=1)
        self.assertEqual(told, [("reminder", ["perm:durable.approve"], NOON + timedelta(days=1))])

    def test_escalation_tells_those_it_adds_and_reminders_count_anew(self) -> None:
        escalate = [[36, ["group:finance", "user:root"]], [60, "user:operator"]]
        with heard() as told:
            self.asked(assignees=["user:named"], remind=24, escalate=escalate)
            advance(days=4)
        hours = [(kind, to, (at - NOON) // timedelta(hours=1)) for kind, to, at in told]
        added = ["group:finance", "user:root"]
        self.assertEqual(
            hours,
            [
                ("asked", ["user:named"], 0),
                ("reminder", ["user:named"], 24),
                ("escalated", added, 36),
                ("escalated", ["user:operator"], 60),
                ("reminder", ["user:named", *added, "user:operator"], 84),
            ],
        )

    def test_escalation_alone_needs_neither_assignees_nor_reminders(self) -> None:
        with heard() as told:
            self.asked(escalate=[[36, "user:named"]])
            advance(days=4)
        self.assertEqual([(kind, to) for kind, to, _ in told], [("escalated", ["user:named"])])

    def test_the_time_to_answer_ends_the_notices(self) -> None:
        with heard() as told:
            self.asked(
                assignees=["user:named"],
                remind=24,
                escalate=[[50, "user:root"]],
                timeout=48,
                timeout_value="late",
            )
            advance(days=4)
        self.assertEqual([kind for kind, _, _ in told], ["asked", "reminder"])

    def test_after_a_downtime_one_reminder_is_enough_but_no_escalation_is_left_out(self) -> None:
        escalate = [[36, "user:root"], [60, "user:operator"]]
        with heard() as told:
            self.asked(assignees=["user:named"], remind=24, escalate=escalate)
            told.clear()
            advance(days=10, work=False)
            drain()
        self.assertEqual([kind for kind, _, _ in told], ["reminder", "escalated", "escalated"])

    def test_handing_on_tells_the_new_ones_only(self) -> None:
        with heard() as told:
            execution = self.ask(assignees=["user:named"], remind=24, escalate=[[36, "user:root"]])
            told.clear()
            durable.reassign(execution.id, "q", ["user:named", "user:member"])
            drain()
            self.assertEqual([told.pop()[:2]], [("reassigned", ["user:member"])])
            durable.reassign(execution.id, "q", "user:named")  # nobody new
            drain()
            self.assertEqual(told, [])
            advance(days=2)
        self.assertEqual([kind for kind, _, _ in told], ["reminder", "escalated"])

    def test_handing_on_twice_before_anybody_was_told_leaves_nobody_out(self) -> None:
        with heard() as told:
            execution = self.ask(assignees=["user:named"])
            told.clear()
            durable.reassign(execution.id, "q", "user:member")
            durable.reassign(execution.id, "q", ["user:member", "user:root"])
            drain()
            self.assertEqual(told, [("reassigned", ["user:member", "user:root"], NOON)])
            told.clear()
            durable.reassign(execution.id, "q", "user:named")
            durable.reassign(execution.id, "q", "user:root")
            drain()
        self.assertEqual([to for _, to, _ in told], [["user:root"]])

    def test_an_escalation_that_is_due_while_it_is_handed_on_is_not_lost(self) -> None:
        with heard() as told:
            execution = self.ask(assignees=["user:named"], escalate=[[36, "user:root"]])
            told.clear()
            advance(days=2, work=False)
            durable.reassign(execution.id, "q", "user:member")
            drain()
        self.assertEqual([kind for kind, _, _ in told], ["reassigned", "escalated"])

    def test_who_waits_for_something_else_is_not_told(self) -> None:
        from durable import Data, Workflow, days, step

        class Sleeping(Workflow):
            @step
            def nap(self, data: Data) -> None:
                self.sleep(days(1))

        self.workflow = Sleeping
        self.ask()
        wait = Wait.objects.get()
        self.assertEqual((wait.notice_at, wait.notice), (None, None))

    def test_the_moment_is_found_by_an_index(self) -> None:
        wait = self.asked(assignees=["user:named"], remind=24)
        seen = pulse(["default"], [wait.execution.kind])
        self.assertEqual(seen.next_notice, NOON + timedelta(days=1))
        self.assertFalse(seen.has_come(seen.next_notice))
        self.assertEqual(seen.seconds_to_next(), 86_400)
        self.assertTrue(Rota(duties_of()).is_idle(seen))
        explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(
                f"{explain} SELECT min(notice_at) FROM durable_wait "
                "WHERE status = 'open' AND notice_at IS NOT NULL"
            )
            plan = " ".join(str(row) for row in cursor.fetchall())
        self.assertIn("durable_wait_notice", plan)


class AgainTests(NoticeCase):
    """A notice is told at least once: what is not finished is repeated, boundedly."""

    def test_a_worker_that_dies_after_telling_leads_to_a_repetition_and_none_is_lost(self) -> None:
        with heard() as told:
            with (
                mock.patch.object(notices, "_settle", side_effect=KeyboardInterrupt),
                self.assertRaises(KeyboardInterrupt),
            ):
                self.asked(assignees=["user:named"])
            self.assertEqual(len(told), 1)
            advance(minutes=4)
            self.assertEqual(len(told), 1)
            advance(minutes=1)
            self.assertEqual([kind for kind, _, _ in told], ["asked", "asked"])
            advance(days=1)
            self.assertEqual(len(told), 2)

    def test_a_worker_that_dies_before_telling_loses_nothing(self) -> None:
        with heard() as told:
            with (
                mock.patch.object(notices.Signal, "send_robust", side_effect=KeyboardInterrupt),
                self.assertRaises(KeyboardInterrupt),
            ):
                self.asked(assignees=["user:named"])
            advance(minutes=5)
        self.assertEqual([kind for kind, _, _ in told], ["asked"])

    def test_a_receiver_that_raises_harms_neither_others_nor_the_engine(self) -> None:
        def broken(**kwargs: Any) -> None:
            raise RuntimeError("no")

        signals.input_asked.connect(broken)
        self.addCleanup(signals.input_asked.disconnect, broken)
        with self.assertLogs("django.dispatch"), heard() as told:
            self.asked(assignees=["user:named"])
            advance(days=1)
        self.assertEqual(len(told), 1)
        self.assertEqual(len(self.mailed()), 1)

    def test_a_receiver_may_ask_to_be_told_again_a_dozen_times(self) -> None:
        calls = []

        def later(**kwargs: Any) -> timedelta:
            calls.append(clock.frozen_at())
            return timedelta(minutes=10)

        signals.input_asked.connect(later)
        self.addCleanup(signals.input_asked.disconnect, later)
        with self.assertLogs("durable.notices", "ERROR"), heard() as told:
            self.asked(assignees=["user:named"], remind=24)
            advance(hours=20)
            self.assertEqual(len(calls), notices.MOST_TRIES)
            self.assertEqual(calls[1] - calls[0], timedelta(minutes=10))
            told.clear()
            advance(days=2)
        self.assertEqual({kind for kind, _, _ in told}, {"reminder"})

    def test_a_receiver_that_never_wants_to_be_told_again_breaks_no_duty(self) -> None:
        def never(**kwargs: Any) -> timedelta:
            return timedelta.max

        signals.input_asked.connect(never)
        self.addCleanup(signals.input_asked.disconnect, never)
        with heard() as told:
            self.asked(assignees=["user:named"])
            advance(days=3)
        self.assertEqual(len(told), 1)

    def test_an_answer_while_people_are_told_ends_it(self) -> None:
        def answer(wait: Wait, **kwargs: Any) -> None:
            durable.provide_input(wait.root_id, "q", "approved")

        signals.input_asked.connect(answer)
        self.addCleanup(signals.input_asked.disconnect, answer)
        with heard() as told:
            self.asked(assignees=["user:named"], remind=1)
            advance(days=1)
        self.assertEqual([kind for kind, _, _ in told], ["asked"])


class MailTests(NoticeCase):
    """One mail for each who may answer, with links of their own."""

    def test_every_kind_has_its_words(self) -> None:
        execution = self.ask(
            prompt="Buy it?", assignees=["user:named"], remind=24, escalate=[[36, "user:root"]]
        )
        self.assertEqual(self.mailed(), [("named", "Buy it?")])
        advance(hours=24)
        self.assertEqual(self.mailed(), [("named", "Reminder: Buy it?")])
        advance(hours=12)
        self.assertEqual(self.mailed(), [("root", "Still open: Buy it?")])
        durable.reassign(execution.id, "q", "user:member")
        drain()
        self.assertEqual(self.mailed(), [("member", "For you now: Buy it?")])

    def test_a_mail_says_what_is_asked_and_has_links_for_its_reader_alone(self) -> None:
        wait = self.asked(
            prompt="Buy\n<b>it</b>?", assignees=["group:finance", "user:named"], due=48
        )
        first, second = mail.outbox
        for message in (first, second):
            self.assertEqual(message.subject, "Buy <b>it</b>?")
            body, (html, kind) = str(message.body), message.alternatives[0]  # type: ignore[attr-defined]
            self.assertEqual(kind, "text/html")
            self.assertIn("Buy\n<b>it</b>?", body)
            self.assertIn("&lt;b&gt;it&lt;/b&gt;", html)
            self.assertIn("March 5, 2025", body)
            self.assertEqual(body.count(f"{PUBLIC}/durable/answer/"), 2)
            self.assertIn(f"{PUBLIC}/admin/durable/input/{wait.pk}/change/", body)
            self.assertEqual(message.extra_headers["Auto-Submitted"], "auto-generated")
            self.assertEqual(len(message.to), 1)
        self.assertNotEqual(first.body, second.body)
        self.assertEqual(AnswerLink.objects.filter(wait=wait).count(), 4)

    def test_who_is_no_staff_is_not_sent_to_the_admin(self) -> None:
        User.objects.filter(username="named").update(is_staff=False)
        self.asked("text", assignees=["user:named"])
        (message,) = mail.outbox
        self.assertNotIn("/admin/", str(message.body))
        self.assertEqual(str(message.body).count("/durable/answer/"), 1)

    def test_only_those_get_one_who_may_answer_and_have_an_address(self) -> None:
        finance = Group.objects.get(name="finance")
        for name in ("gone", "nameless", "excluded", "tenant"):
            user = User.objects.get_or_create(username=name)[0]
            user.groups.add(finance)
        User.objects.filter(username="gone").update(is_active=False, email="gone@example.com")
        self.asked(assignees=["group:finance", "user:named"], exclude=["user:excluded"])
        self.assertEqual({who for who, _ in self.mailed()}, {"member", "named"})

    def test_holders_of_a_permission_by_themselves_or_by_group_but_no_superusers(self) -> None:
        permission = Permission.objects.get(codename="cancel", content_type__app_label="durable")
        Group.objects.get(name="finance").permissions.add(permission)
        self.asked(assignees=["perm:durable.cancel"])
        self.assertEqual({who for who, _ in self.mailed()}, {"operator", "member"})

    def test_somebody_named_in_two_ways_gets_one_mail(self) -> None:
        self.asked(assignees=["group:finance", "user:member", "perm:durable.cancel"])
        self.assertEqual(sorted(who for who, _ in self.mailed()), ["member", "operator"])

    def test_who_has_voted_is_not_reminded(self) -> None:
        execution = self.ask(quorum=2, assignees=["user:named", "user:member"], remind=24)
        durable.provide_input(execution.id, "q", "approved", by=self.users["named"])
        self.mailed()
        advance(days=1)
        self.assertEqual([who for who, _ in self.mailed()], ["member"])

    def test_one_mail_that_fails_costs_no_other_one_and_leaves_no_link(self) -> None:
        send = EmailBackend.send_messages

        def refusing(self: EmailBackend, messages: Any) -> int:
            if messages[0].to == ["member@example.com"]:
                raise OSError("no such mailbox")
            return int(send(self, messages))

        with (
            mock.patch.object(EmailBackend, "send_messages", refusing),
            self.assertLogs("durable.mail", "ERROR") as logs,
        ):
            wait = self.asked(assignees=["user:member", "user:named"])
        self.assertIn("member", logs.output[0])
        self.assertEqual([who for who, _ in self.mailed()], ["named"])
        recipients = AnswerLink.objects.filter(wait=wait).values_list("recipient__username")
        self.assertEqual(set(recipients), {("named",)})
        advance(days=1)
        self.assertEqual(self.mailed(), [])

    def test_a_mail_server_that_is_down_is_tried_again(self) -> None:
        with (
            mock.patch.object(EmailBackend, "send_messages", side_effect=OSError("down")),
            self.assertLogs("durable.mail", "ERROR"),
        ):
            self.asked(assignees=["user:named"])
            advance(minutes=7)
        self.assertFalse(AnswerLink.objects.exists())
        advance(minutes=5)
        self.assertEqual([who for who, _ in self.mailed()], ["named"])
        advance(days=1)
        self.assertEqual(self.mailed(), [])

    def test_without_the_public_address_no_mail_is_sent(self) -> None:
        with override_settings(DURABLE={}), heard() as told:
            self.asked(assignees=["user:named"])
        self.assertEqual((len(told), self.mailed()), (1, []))

    def test_no_prompt_breaks_a_mail(self) -> None:
        for text in (*XSS, "a\r\nBcc: all@example.com", "\u202eevil", "long " * 400, "  \n"):
            self.asked(prompt=text, assignees=["user:named"])
            (message,) = mail.outbox
            sent = message.message()
            self.assertNotIn("all@example.com", str(sent["Bcc"]))
            self.assertLessEqual(len(str(message.subject)), 150)
            html = message.alternatives[0][0]  # type: ignore[attr-defined]
            for bad in ("<script", "<img", "<svg"):
                self.assertNotIn(bad, html)
            mail.outbox.clear()


class WorkerTests(AskingMixin, ThreadedTestCase):
    """A worker tells people in a thread of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.people()
        mail.outbox.clear()

    def test_a_worker_mails_and_a_slow_server_holds_up_no_step(self) -> None:
        release, entered, send = threading.Event(), threading.Event(), EmailBackend.send_messages
        self.addCleanup(release.set)

        def slow(self: EmailBackend, messages: Any) -> int:
            entered.set()
            release.wait(20)
            return int(send(self, messages))

        with mock.patch.object(EmailBackend, "send_messages", slow), worker():
            data = {"kind": "approval", "options": {"assignees": ["user:named"]}}
            asking = durable.start(self.workflow, data)
            until(entered.is_set)
            durable.provide_input(asking.id, "q", "approved")
            until(lambda: durable.get_execution(asking.id).status == "completed")
            self.assertEqual(mail.outbox, [])
            release.set()
            until(lambda: mail.outbox)
        self.assertEqual([message.to for message in mail.outbox], [["named@example.com"]])

    def test_a_burst_does_not_end_before_people_are_told(self) -> None:
        from durable.worker.worker import WorkerProcess

        data = {"kind": "approval", "options": {"assignees": ["user:named"]}}
        durable.start(self.workflow, data)
        WorkerProcess(burst=True).run()
        self.assertEqual([message.to for message in mail.outbox], [["named@example.com"]])
        self.assertIsNone(Wait.objects.get().notice_at)

    def test_of_several_workers_one_tells(self) -> None:
        with mock.patch.object(notices, "tell_due", return_value=0):
            wait = self.asked(assignees=["user:named"])
        self.assertIsNotNone(wait.notice_at)
        together(*[notices.tell_due] * 4)
        self.assertEqual(len(mail.outbox), 1)
