"""Who may see and do what, whatever door they come through."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.test import override_settings

import durable
from durable import Data, Workflow, WorkflowMeta, hours, step
from durable.doors import access
from durable.doors.access import AccessDenied
from durable.models import Event, Execution, Wait
from durable.testing import advance, run, time_travel
from tests.cases import WorkflowTestCase
from tests.doors.people import APPROVER, OPERATOR, VIEWER, person

TENANTS = {"API_PERMISSIONS": ["tests.doors.people.Tenants"]}


class AccessCase(WorkflowTestCase):
    def setUp(self) -> None:
        super().setUp()

        class Asking(Workflow):
            @step
            def ask(self, data: Data) -> None:
                self.wait_for_approval("q", **data)

        self.workflow = Asking

    def asked(self, tags: dict[str, Any] | None = None, **options: Any) -> Wait:
        execution = run(self.workflow, options, tags=tags or {})
        return Wait.objects.get(execution=execution)


class PermissionTests(AccessCase):
    def test_each_action_takes_its_permission(self) -> None:
        execution = run(self.workflow)
        for action, permission in access.PERMISSIONS.items():
            with self.subTest(action):
                able = person(f"able-{action}", permission.partition(".")[2])
                self.assertTrue(access.may(able, action, execution))
                others = {p.partition(".")[2] for p in access.PERMISSIONS.values()}
                unable = person(f"unable-{action}", *others - {permission.partition(".")[2]})
                self.assertFalse(access.may(unable, action, execution))
                with self.assertRaisesRegex(AccessDenied, permission):
                    access.require(unable, action, execution)

    def test_nobody_inactive_or_anonymous_may_anything(self) -> None:
        gone = User.objects.create_superuser("gone", is_active=False)
        for nobody in (AnonymousUser(), gone):
            self.assertFalse(access.may(nobody, "view"))
            self.assertFalse(access.visible(nobody).exists())
            self.assertEqual(access.asked_of(nobody), [])

    def test_permissions_of_a_workflow_are_needed_to_act_on_it_besides(self) -> None:
        class Guarded(Workflow):
            class Meta(WorkflowMeta):
                permissions = ("auth.change_group",)

            @step
            def only(self, data: Data) -> None: ...

        execution, operator = run(Guarded), person("op", *OPERATOR)
        self.assertFalse(access.may(operator, "cancel", execution))
        self.assertFalse(access.may(operator, "start", Guarded))
        self.assertTrue(access.may(operator, "view", execution))
        operator = User.objects.create_superuser("root")
        self.assertTrue(access.may(operator, "cancel", execution))

    def test_permissions_of_a_workflow_are_needed_to_start_it_by_a_schedule(self) -> None:
        class Guarded(Workflow):
            class Meta(WorkflowMeta):
                permissions = ("auth.change_group",)

            @step
            def only(self, data: Data) -> None: ...

        schedule = durable.schedule(Guarded, "0 9 * * *", name="nine")
        operator = person("op", *OPERATOR)
        self.assertFalse(access.may(operator, "manage_schedules", schedule))
        self.assertTrue(access.may(operator, "view_schedules", schedule))
        operator.user_permissions.add(Permission.objects.get(codename="change_group"))
        operator = User.objects.get(pk=operator.pk)  # permissions are remembered
        self.assertTrue(access.may(operator, "manage_schedules", schedule))
        schedule.workflow = "gone"  # its code is not in this process
        self.assertFalse(access.may(operator, "manage_schedules", schedule))
        root = User.objects.create_superuser("root")
        self.assertTrue(access.may(root, "manage_schedules", schedule))

    def test_a_policy_can_only_narrow(self) -> None:
        execution, operator = run(self.workflow), person("op", *OPERATOR)
        with override_settings(DURABLE={"API_PERMISSIONS": ["tests.doors.people.NoCancelling"]}):
            self.assertFalse(access.may(operator, "cancel", execution))
            self.assertTrue(access.may(operator, "retry", execution))
            self.assertFalse(access.may(person("view", *VIEWER), "retry", execution))


class VisibleTests(AccessCase):
    @override_settings(DURABLE=TENANTS)
    def test_executions_of_another_tenant_do_not_exist(self) -> None:
        ours, theirs = self.asked({"tenant": "acme"}), self.asked({"tenant": "rival"})
        kim = person("acme-kim", *OPERATOR, "approve")
        self.assertEqual([row.pk for row in access.visible(kim)], [ours.execution_id])
        self.assertEqual(list(access.visible_questions(kim)), [ours])
        self.assertEqual(access.asked_of(kim), [ours])
        self.assertIsNotNone(access.why_not(kim, theirs))

    @override_settings(DURABLE=TENANTS)
    def test_published_events_are_hidden_where_policies_tell_tenants_apart(self) -> None:
        ours, theirs = self.asked({"tenant": "acme"}), self.asked({"tenant": "rival"})
        for wait in (ours, theirs):
            durable.send_event(wait.execution_id, "e", {"to": str(wait.execution_id)})
        durable.publish_event("p", {})
        kim = person("acme-kim", *VIEWER)
        seen = access.visible_events(kim).values_list("execution_id", flat=True)
        self.assertEqual(list(seen), [ours.execution_id])
        self.assertEqual(Event.objects.count(), 3)

    def test_without_the_permission_to_view_nothing_is_seen(self) -> None:
        self.asked()
        self.assertFalse(access.visible(person("clerk")).exists())
        self.assertEqual(access.visible(person("view", *VIEWER)).count(), 1)

    def test_children_carry_the_tags_of_their_parents(self) -> None:
        class Child(Workflow):
            @step
            def only(self, data: Data) -> None: ...

        class Parent(Workflow):
            @step
            def call(self, data: Data) -> None:
                self.set_tags(more=1)
                self.call_workflow(Child, {})

        run(Parent, tags={"tenant": "acme"})
        self.assertEqual(Execution.objects.get(role="child").tags["tenant"], "acme")


class QuestionTests(AccessCase):
    def test_without_assignees_it_takes_the_permission_to_approve(self) -> None:
        wait = self.asked()
        self.assertTrue(access.may_answer(person("able", *APPROVER), wait))
        self.assertIn("durable.approve", access.why_not(person("view", *VIEWER), wait) or "")

    def test_who_is_named_needs_no_permission_besides(self) -> None:
        kim, lee = person("kim"), person("lee", "approve")
        wait = self.asked(assignees=["user:kim"])
        self.assertTrue(access.may_answer(kim, wait))
        self.assertIn("it is for user:kim", access.why_not(lee, wait) or "")

    def test_who_is_excluded_may_not_answer_whatever_else(self) -> None:
        kim = person("kim", "approve")
        wait = self.asked(assignees=["user:kim"], exclude=["user:kim"])
        self.assertIn("excluded", access.why_not(kim, wait) or "")

    def test_the_questions_asked_of_somebody_are_found_by_name_group_and_permission(self) -> None:
        group = Group.objects.create(name="Finanz & Büro")
        kim = person("kim", "cancel")
        kim.groups.add(group)
        odd = person('o"dd\\é')
        by_name = self.asked(assignees=["user:kim"])
        by_group = self.asked(assignees=[f"group:{group.name}"])
        by_permission = self.asked(assignees=["perm:durable.cancel"])
        for_odd = self.asked(assignees=[f"user:{odd.username}"])
        self.asked(assignees=["user:kimberly"])
        self.asked()
        self.assertEqual(access.asked_of(kim), [by_name, by_group, by_permission])
        self.assertEqual(access.asked_of(odd), [for_odd])

    def test_escalation_brings_a_question_before_more_people_in_time(self) -> None:
        boss = person("boss")
        with time_travel():
            wait = self.asked(assignees=["user:kim"], escalate=[(hours(2), "user:boss")])
            self.assertEqual(access.asked_of(boss), [])
            advance(hours=2)
            self.assertEqual(access.asked_of(boss), [wait])

    def test_an_answered_question_is_asked_of_nobody(self) -> None:
        kim = person("kim", "approve")
        wait = self.asked()
        durable.provide_input(wait.execution_id, "q", "approved", by=kim)
        self.assertEqual(access.asked_of(kim), [])
