"""How children are started: as the call says, or else as their parents were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User

from durable import Workflow, WorkflowMeta, call_workflow, chain, foreach, hours, parallel
from durable.models import Execution
from durable.testing import run
from tests.parts.test_children import Child, ChildCase


def asking(method: str, *args: Any, **options: Any) -> Callable[..., Any]:
    """A step that makes one call of its ``self``."""

    def call(self: Any, data: Any) -> None:
        getattr(self, method)(*args, **options)

    return call


class OptionTests(ChildCase):
    """A child is started as the call says, or else as its parent was."""

    def started(self, call: Any, child: Any = None, **options: Any) -> Execution:
        parent = self.parent(call, queue="slow")
        run(parent, priority=5, tags={"tenant": "acme", "a": 1}, **options)
        return Execution.objects.get(role="child")

    def test_priority_tags_subject_and_queue_are_those_of_its_parent(self) -> None:
        user = User.objects.create_user("kim")
        child = self.child
        for method in ("call_workflow", "start_workflow"):
            with self.subTest(method):
                found = self.started(asking(method, child, {"do": "wait"}), subject=user)
                self.assertEqual((found.priority, found.queue, found.subject), (5, "slow", user))
                self.assertEqual(found.tags, {"tenant": "acme", "a": 1})
                Execution.objects.all().delete()

    def test_what_the_call_says_goes_first(self) -> None:
        users = [User.objects.create_user(name) for name in ("kim", "lee")]
        child = self.child

        def call(self: Any, data: Any) -> Any:
            self.call_workflow(
                child,
                {"do": "wait"},
                queue="fast",
                priority=-3,
                tags={"a": 2, "b": 3},
                subject=users[1],
                keys=["order:7"],
                ref="x",
            )

        found = self.started(call, subject=users[0])
        self.assertEqual((found.priority, found.queue, found.subject), (-3, "fast", users[1]))
        self.assertEqual(found.tags, {"tenant": "acme", "a": 2, "b": 3})
        self.assertEqual(list(found.keys.values_list("key", flat=True)), ["order:7"])

    def test_a_class_that_names_a_queue_keeps_it_and_one_of_another_subject_has_none(self) -> None:
        class Own(Child):
            class Meta(WorkflowMeta):
                queue = "default"
                subject = "auth.Group"

        def call(self: Any, data: Any) -> Any:
            self.call_workflow(Own, {"do": "wait"})

        found = self.started(call, subject=User.objects.create_user("kim"))
        self.assertEqual((found.queue, found.subject, found.priority), ("default", None, 5))

    def test_in_a_branch_an_item_and_as_a_standing_node(self) -> None:
        user = User.objects.create_user("kim")
        node = call_workflow(
            self.child,
            input=lambda data: {"do": "wait"},
            queue="fast",
            tags=lambda data: {"n": data["n"]},
            keys=lambda data: [f"order:{data['n']}"],
        )
        flow = chain(parallel(a=foreach("items", node, name="each"), b=chain(node)))
        meta = type("Meta", (WorkflowMeta,), {"name": "p", "queue": "slow"})
        parent = type("P", (Workflow,), {"Meta": meta, "flow": flow})
        run(parent, {"n": 7, "items": [1]}, priority=5, subject=user)
        found = Execution.objects.filter(role="child")
        self.assertEqual(len(found), 2)
        for one in found:
            self.assertEqual((one.priority, one.queue, one.subject), (5, "fast", user))
            self.assertEqual((one.tags, one.keys.get().key), ({"n": 7}, "order:7"))

    def test_what_can_not_be_fails_the_step_that_asks(self) -> None:
        child = self.child
        for option, error in (
            ({"priority": "high"}, "DurableError"),
            ({"queue": ""}, "DurableError"),
            ({"tags": {"a": object()}}, "NotSerializable"),
            ({"subject": 5}, "DurableError"),
            ({"keys": "order:7"}, "DurableError"),
            ({"delay": hours(1)}, "TypeError"),
        ):
            for method in ("call_workflow", "start_workflow"):
                with self.subTest(option=option, method=method):
                    parent = self.parent(asking(method, child, {}, **option))
                    self.assertEnded(run(parent), "failed", error)
