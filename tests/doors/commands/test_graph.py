"""``durable_graph``: a workflow or a run as Mermaid, DOT, SVG or JSON; clear errors otherwise."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

from django.core.management import CommandError, call_command

from durable import Fail, Workflow, branch, chain, parallel, step
from durable.authoring.nodes.graph import graph
from durable.drawing import to_dot, to_mermaid, to_plain
from durable.models import Execution
from durable.testing import isolate_workflows, run
from tests.cases import WorkflowTestCase


def define(version: int = 1) -> type[Workflow]:
    class Pay(Workflow):
        class Meta:
            name = "pay"

        Meta.version = version  # type: ignore[attr-defined]

        @step
        def charge(self, data: Any) -> None:
            if data.get("declined"):
                raise Fail("no", type="card_declined")

        @step
        def thank(self, data: Any) -> None: ...

        @step
        def remind(self, data: Any) -> None: ...

        flow = chain(charge, branch("paid", {True: thank}, default=remind))

    return Pay


class GraphCommandTestCase(WorkflowTestCase):
    def drawn(self, *args: str, **options: Any) -> str:
        """What the command writes."""
        out = StringIO()
        call_command("durable_graph", *args, stdout=out, **options)
        return out.getvalue()

    def assertRefused(self, words: str, *args: str) -> None:
        """The command fails with these words, and draws nothing."""
        out = StringIO()
        with self.assertRaises(CommandError) as caught:
            call_command("durable_graph", *args, stdout=out)
        self.assertIn(words, str(caught.exception))
        self.assertEqual(out.getvalue(), "")
        self.assertNotEqual(caught.exception.returncode, 0)


class WorkflowTests(GraphCommandTestCase):
    def test_a_workflow_is_drawn_in_each_format(self) -> None:
        drawn = graph(define())
        self.assertEqual(self.drawn("pay"), to_mermaid(drawn))
        self.assertEqual(self.drawn("pay", "--format", "mermaid"), to_mermaid(drawn))
        self.assertEqual(self.drawn("pay", "--format", "dot"), to_dot(drawn, name="pay@1"))
        self.assertEqual(json.loads(self.drawn("pay", "--format", "json")), to_plain(drawn))
        self.assertEqual(json.loads(self.drawn("pay", "--json")), to_plain(drawn))
        picture = ElementTree.fromstring(self.drawn("pay", "--format", "svg"))
        self.assertEqual(picture.find("{*}title").text, "pay@1")  # type: ignore[union-attr]
        self.assertIsNotNone(picture.find("{*}style"))

    def test_the_highest_version_is_drawn_unless_another_is_said(self) -> None:
        define(1)
        define(2)
        self.assertIn('"pay@2"', self.drawn("pay", "--format", "dot"))
        self.assertIn('"pay@1"', self.drawn("pay@1", "--format", "dot"))

    def test_an_unknown_workflow_or_version_is_refused_with_a_hint(self) -> None:
        define()
        self.assertRefused("Did you mean 'pay'?", "pya")
        self.assertRefused("no version 7 of workflow 'pay', only 1", "pay@7")
        self.assertRefused("no workflow 'pay@x'", "pay@x")
        self.assertRefused("no workflow ''", "")

    def test_it_asks_for_one_thing_to_draw(self) -> None:
        define()
        self.assertRefused("Say what to draw")
        self.assertRefused("Say what to draw", "pay", "--execution", "0")
        self.assertRefused("--json and --format dot", "pay", "--json", "--format", "dot")
        self.assertRefused("invalid choice: 'png'", "pay", "--format", "png")

    def test_it_writes_into_a_file(self) -> None:
        define()
        with TemporaryDirectory() as folder:
            file = Path(folder) / "pay.svg"
            self.assertEqual(self.drawn("pay", "--format", "svg", "--output", str(file)), "")
            self.assertEqual(file.read_text(encoding="utf-8"), self.drawn("pay", "--format", "svg"))
            missing = str(Path(folder) / "no" / "pay.svg")
            self.assertRefused("can't be written: No such file", "pay", "--output", missing)
        self.assertIn("flowchart", self.drawn("pay", "--output", "-"))


class ExecutionTests(GraphCommandTestCase):
    def test_a_run_is_drawn_with_what_it_has_done(self) -> None:
        execution = run(define(), {"paid": True})
        found = json.loads(self.drawn("--json", execution=str(execution.pk)))
        states = {node["path"]: node["state"]["status"] for node in found["nodes"]}
        self.assertEqual(states["paid/true/thank"], "done")
        self.assertEqual(states["paid/default/remind"], "skipped")
        self.assertIn(":::skipped", self.drawn(execution=str(execution.pk)))
        self.assertIn("penwidth", self.drawn("--format", "dot", execution=str(execution.pk)))
        text = self.drawn("--format", "svg", execution=str(execution.pk))
        self.assertIn("dg-is-done", text)
        self.assertIn(f"Run {execution.pk}, completed.", text)

    def test_the_beginning_of_an_id_is_enough(self) -> None:
        execution = run(define(), {"declined": True})
        whole = self.drawn(execution=str(execution.pk))
        self.assertIn("card_declined", whole)
        for text in (execution.pk.hex, execution.pk.hex[:20].upper(), str(execution.pk)[:25]):
            self.assertEqual(self.drawn(execution=text), whole)

    def test_an_ambiguous_beginning_lists_what_it_could_be(self) -> None:
        w = define()
        one, other = run(w), run(w)
        self.assertRefused(str(one.pk), "--execution", str(one.pk)[:6])
        self.assertRefused(str(other.pk), "--execution", str(one.pk)[:6])

    def test_a_run_is_found_by_its_beginning_and_its_parts_by_their_whole_ids(self) -> None:
        class Both(Workflow):
            @step
            def one(self, data: Any) -> None: ...
            @step
            def two(self, data: Any) -> None: ...

            flow = chain(parallel(one, two))

        execution = run(Both)
        self.assertEqual(Execution.objects.count(), 3)
        self.assertEqual(
            self.drawn(execution=str(execution.pk)[:20]), self.drawn(execution=str(execution.pk))
        )
        part = Execution.objects.filter(parent=execution).first()
        assert part is not None
        self.assertIn("one", self.drawn(execution=str(part.pk)))

    def test_what_is_no_id_or_of_nobody_is_refused(self) -> None:
        for text in ("ffffffff-0000", "pay", "", "%", "12' OR 1=1", "f" * 33):
            self.assertRefused("there is no execution", "--execution", text)

    def test_a_run_whose_code_is_gone_says_so(self) -> None:
        with isolate_workflows():
            execution = run(define(3))
        self.assertRefused("runs pay@3, which is not in this process", "--execution",
                           str(execution.pk))  # fmt: skip
