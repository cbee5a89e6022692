"""The words of a drawing: names of kinds and states, and the notes below a node's name."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from durable.authoring.nodes.tree import Branch, Catch, Foreach, Leaf, Node, Parallel, Repeat
from durable.drawing.overlay import NodeState

KINDS: dict[str, Any] = {
    "start": gettext_lazy("start"),
    "end": gettext_lazy("end"),
    "join": gettext_lazy("join"),
    "step": gettext_lazy("step"),
    "sleep": gettext_lazy("sleep"),
    "event": gettext_lazy("event"),
    "approval": gettext_lazy("approval"),
    "workflow": gettext_lazy("child workflow"),
    "branch": gettext_lazy("branch"),
    "parallel": gettext_lazy("parallel"),
    "foreach": gettext_lazy("for each"),
    "repeat": gettext_lazy("repeat"),
    "catch": gettext_lazy("catch"),
}

STATUSES: dict[str, Any] = {
    "done": gettext_lazy("done"),
    "running": gettext_lazy("running"),
    "waiting": gettext_lazy("waiting"),
    "failed": gettext_lazy("failed"),
    "skipped": gettext_lazy("skipped"),
    "compensated": gettext_lazy("undone"),
    "pending": gettext_lazy("pending"),
    "cancelled": gettext_lazy("cancelled"),
    "paused": gettext_lazy("paused"),
    "blocked": gettext_lazy("blocked"),
}


def kind(name: str) -> str:
    """The name of a kind of node."""
    return str(KINDS.get(name, name))


def status(name: str) -> str:
    """The name of a state."""
    return str(STATUSES.get(name, name))


def note(node: Node) -> str:
    """The note below a node's name, before any run."""
    match node:
        case Leaf():
            return _of_leaf(node)
        case Branch():
            ways = len(node.cases) + 1
            return ngettext("%(n)d way", "%(n)d ways", ways) % {"n": ways}
        case Parallel():
            ways = len(node.branches)
            return ngettext("%(n)d branch", "%(n)d branches", ways) % {"n": ways}
        case Foreach():
            if node.concurrency == 1:
                return _("one by one")
            return _("%(n)d at a time") % {"n": node.concurrency}
        case Repeat():
            if node.max_iterations is None:
                return kind("repeat")
            rounds = node.max_iterations
            return ngettext("%(n)d round", "up to %(n)d rounds", rounds) % {"n": rounds}
        case Catch():
            types = len(node.handlers)
            return ngettext("%(n)d type of error", "%(n)d types of error", types) % {"n": types}
    return ""


def _of_leaf(node: Leaf) -> str:
    step, found = node.step, []
    if step.kind not in ("step", node.name):
        found.append(kind(step.kind))
    if step.retry is not None and step.retry.max_attempts > 1:
        found.append(_("%(n)d attempts") % {"n": step.retry.max_attempts})
    if step.compensation is not None:
        found.append(_("undoable"))
    return " · ".join(found)


def about(state: NodeState, *, brief: bool = False) -> str:
    """The state in words: ``done · 2 attempts``, ``running · 37/100, 2 failed``.

    ``brief``: without the name of the state, if there are other words.
    """
    found = []
    if state.progress is not None:
        found.append(str(state.progress))
    if state.detail:
        found.append(state.detail)
    if state.attempts > 1 and not (brief and found):
        running = state.status == "running"
        attempts = _("attempt %(n)d") if running else _("%(n)d attempts")
        found.append(attempts % {"n": state.attempts})
    if state.rounds > 1:
        found.append(f"×{state.rounds}")
    return " · ".join(found if brief and found else [status(state.status), *found])
