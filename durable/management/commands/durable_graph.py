"""``manage.py durable_graph``: draw the flow of a workflow, or of one run of it."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import CommandError

from durable.authoring import Workflow
from durable.authoring.nodes.graph import graph
from durable.authoring.nodes.tree import Tree
from durable.doors import names
from durable.doors.actions import whole
from durable.drawing import Overlay, layout, svg, to_dot, to_mermaid, to_plain
from durable.management.base import DurableCommand, Options
from durable.models import Execution
from durable.showing import values
from durable.showing.run.overlay import run_overlay, tree_of_run

FORMATS = ("mermaid", "dot", "svg", "json")


class Command(DurableCommand):
    help = (
        "Draw the flow of a workflow; with --execution, the flow of a run with the state of each "
        "node and the ways taken."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        """The workflow or execution, the format and the file."""
        parser.add_argument(
            "workflow",
            nargs="?",
            metavar="name[@version]",
            help="a workflow; its highest version unless given",
        )
        parser.add_argument("--execution", metavar="id", help="an execution's id, or its beginning")
        parser.add_argument("--format", choices=FORMATS, help="the format (default mermaid)")
        parser.add_argument(
            "--output", metavar="file", help="write the drawing to this file (UTF-8)"
        )

    def answer(self, options: Options) -> None:
        """Draw the flow; write it to the file or to standard output."""
        named, run = options["workflow"], options["execution"]
        if (named is None) == (run is None):
            raise CommandError("Say what to draw: a workflow's name, or --execution and an id.")
        if self.as_json and options["format"] not in (None, "json"):
            raise CommandError(f"--json and --format {options['format']} exclude each other.")
        self.require("view")
        form = "json" if self.as_json else options["format"] or "mermaid"
        if run is None:
            definition = self._workflow(named).definition
            text = _drawn(definition.tree, form, definition.kind, None)
        else:
            execution = self.execution(run)
            self.require("view", whole(execution))
            tree = _tree(execution)
            text = _drawn(tree, form, execution.kind, run_overlay(execution, tree))
        self._write(text, options["output"])

    def _workflow(self, text: str) -> type[Workflow]:
        """``name`` (its highest version) or ``name@version``; raises ``WorkflowNotFound``."""
        name, at, version = text.rpartition("@")
        is_number = bool(at) and version.isascii() and version.isdigit()
        wanted = (name, int(version)) if is_number else (text, None)
        return names.resolve(self.by, *wanted)

    def _write(self, text: str, file: str | None) -> None:
        if file in (None, "-"):
            self.stdout.write(text, ending="")
            return
        assert file is not None
        try:
            Path(file).write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{file} can't be written: {error.strerror or error}") from error


def _tree(execution: Execution) -> Tree:
    tree = tree_of_run(execution)
    if tree is None:
        raise CommandError(
            f"Execution {execution.pk} runs {execution.kind}, which is not in this process's "
            "code: run the command where that version is deployed."
        )
    return tree


def _drawn(tree: Tree, form: str, name: str, overlay: Overlay | None) -> str:
    match form:
        case "svg":
            return svg(layout(tree), title=name, overlay=overlay, standalone=True)
        case "dot":
            return to_dot(graph(tree), overlay, name=name)
        case "json":
            return values.document(to_plain(graph(tree), overlay)) + "\n"
    return to_mermaid(graph(tree), overlay)
