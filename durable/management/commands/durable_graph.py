"""``manage.py durable_graph``: the flow of a workflow, or of one run of it, as a drawing."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from durable.authoring.graph import graph
from durable.authoring.tree import Tree
from durable.doors.run_overlay import run_overlay, tree_of_run
from durable.drawing import Overlay, layout, svg, to_dot, to_mermaid, to_plain
from durable.management.named import find_execution, find_workflow
from durable.models import Execution

FORMATS = ("mermaid", "dot", "svg", "json")


class Command(BaseCommand):
    help = (
        "Draw the flow of a workflow; with --execution, a run of it: what is done, where it is, "
        "which way it took."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to draw, how, and where to."""
        parser.add_argument(
            "workflow", nargs="?", metavar="name[@version]", help="the highest version if none"
        )
        parser.add_argument(
            "--execution", metavar="id", help="a run: its id, or the beginning of it"
        )
        parser.add_argument("--format", choices=FORMATS, help="mermaid, unless another is said")
        parser.add_argument("--json", action="store_true", help="the same as --format json")
        parser.add_argument("--output", metavar="file", help="write it there (UTF-8)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Draw it."""
        named, run = options["workflow"], options["execution"]
        if (named is None) == (run is None):
            raise CommandError("Say what to draw: a workflow's name, or --execution and an id.")
        if options["json"] and options["format"] not in (None, "json"):
            raise CommandError(f"--json and --format {options['format']} exclude each other.")
        form = "json" if options["json"] else options["format"] or "mermaid"
        if run is None:
            definition = find_workflow(named).definition
            text = _drawn(definition.tree, form, definition.kind, None)
        else:
            execution = find_execution(run)
            tree = _tree(execution)
            text = _drawn(tree, form, execution.kind, run_overlay(execution, tree))
        self._write(text, options["output"])

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
            return json.dumps(to_plain(graph(tree), overlay), indent=2) + "\n"
    return to_mermaid(graph(tree), overlay)
