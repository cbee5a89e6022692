"""Only landings write the columns of an execution's life; whoever else must is named here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from unittest import TestCase

from durable.models.landings import LIFE
from tests.test_architecture import Source, sources

LANDINGS = "durable.models.landings"

#: Statements of their own: the checkpoint, the turns of items, the rows of items, the starts.
NAMED = {
    "durable.engine.ends.checkpoint": "_UPDATE",
    "durable.engine.ends.turns": "_RELEASE",
    "durable.engine.parts.item_rows": "_INSERT",
    "durable.engine.start.rows": "_INSERT",
    "durable.storage.transaction": "insert",
    "durable.engine.parts.fan_out": "open_parallel",
}

#: The rows of other tables: what a call is made on begins so.
OTHER_ROWS = re.compile(
    r"(Audit\w*|AnswerLink|CorrelationKey|Event|Firing|Mailbox|Queue|Record|Schedule|StepRun|Wait"
    r"|Worker)\.objects\b|schedule\.firings\b"
)
#: The same behind a name: (module, the call's receiver).
OTHER_NAMES = {
    ("durable.people.answer", "_in_time(wait)"),  # waits
    (
        "durable.engine.operators.remove",
        "_some(others, at_most - done)",
    ),  # rows that point at removed executions
}

RAW = re.compile(r"\b(UPDATE|INSERT\s+INTO)\s+durable_execution\b")


def breaks_of_ownership(source: Source) -> Iterator[str]:
    """A column of an execution's life is written by a landing, or by a statement that is named."""
    if source.in_migrations or source.module == LANDINGS:
        return
    own_table = source.module.startswith("durable.models.") and not source.module.endswith(
        ".execution"
    )
    for node, inside in _walk(source.tree, ""):
        if inside and inside in NAMED.get(source.module, "").split(", "):
            continue
        where = f"{source.module}:{getattr(node, 'lineno', 0)} ({inside or 'module'})"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if RAW.search(node.value):
                yield f"{where}: raw SQL"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not own_table:
            receiver = ast.unparse(node.func.value)
            other = OTHER_ROWS.match(receiver) or (source.module, receiver) in OTHER_NAMES
            if not other and _writes(node, node.func.attr.removeprefix("a"), receiver):
                yield f"{where}: {ast.unparse(node.func)}(…)"


def _writes(call: ast.Call, method: str, receiver: str) -> bool:
    """Whether a call may write a column of ``LIFE``."""
    match method:
        case "update":
            return any(k.arg in LIFE if k.arg else _unknown(k.value) for k in call.keywords)
        case "bulk_update" | "save":
            return receiver != "super()"
        case "bulk_create" | "create":
            return receiver.startswith("Execution.objects")
    return False


def _unknown(value: ast.expr) -> bool:
    """``**value``: refused, unless it shows its keys, and none of them is in ``LIFE``."""
    if not isinstance(value, ast.Dict):
        return True
    keys = [key.value if isinstance(key, ast.Constant) else None for key in value.keys]
    return any(key is None or key in LIFE for key in keys)


def _walk(node: ast.AST, inside: str) -> Iterator[tuple[ast.AST, str]]:
    """Every node, with the name of the top-level function or constant that it stands in."""
    for child in ast.iter_child_nodes(node):
        name = inside
        if not inside and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = child.name
        elif not inside and isinstance(child, ast.Assign):
            name = ast.unparse(child.targets[0])
        yield child, name
        yield from _walk(child, name)


class OneWriterTests(TestCase):
    """The package keeps the rule, and the rule catches what it is for."""

    def test_only_landings_write_the_columns_of_an_executions_life(self) -> None:
        found = [line for source in sources() for line in breaks_of_ownership(source)]
        self.assertEqual(found, [], "\n".join(found))

    def test_every_named_statement_is_there(self) -> None:
        modules = {source.module: source for source in sources()}
        for module, names in NAMED.items():
            inside = {name for _, name in _walk(modules[module].tree, "")}
            self.assertLessEqual(set(names.split(", ")), inside, module)
        for module, receiver in OTHER_NAMES:
            self.assertIn(f"{receiver}.", modules[module].text)

    def test_planted_violations_are_found(self) -> None:
        for text in (
            "rows.filter(a=1).update(status=x)",
            "rows.update(b=1, ready_at=None)",
            "rows.update(**changes)",
            "rows.update(**{'released': True})",
            "rows.update(**{name: None})",
            "Execution.objects.filter(pk=1).update(error=None)",
            "claim.row().update(worker=None)",
            "Execution.objects.bulk_update(rows, fields)",
            "rows.bulk_update(l, ['path'])",
            "execution.save(update_fields=['path'])",
            "Execution.objects.bulk_create(rows)",
            "Execution.objects.create(id=1)",
            "SQL = 'UPDATE durable_execution SET path = 1'",
            "def f():\n    cursor.execute('insert; INSERT INTO durable_execution (a)')",
            "async def f():\n    await rows.aupdate(fence=1)",
        ):
            with self.subTest(text=text):
                source = Source("durable.engine.cancel", text)
                self.assertEqual(len(list(breaks_of_ownership(source))), 1)

    def test_what_is_allowed_is_not(self) -> None:
        for module, text in (
            ("durable.engine.cancel", "rows.update(path='x', data=None)"),
            ("durable.engine.cancel", "rows.due(path='x')"),
            ("durable.engine.cancel", "Wait.objects.filter(a=1).update(status=x)"),
            ("durable.engine.cancel", "Schedule.objects.update(**changes)"),
            ("durable.engine.cancel", "known.update({'a': 1})"),
            ("durable.engine.cancel", "'SELECT status FROM durable_execution'"),
            ("durable.models.wait", "self.update(status=x)"),
            ("durable.engine.ends.turns", "_RELEASE = 'UPDATE durable_execution SET released'"),
        ):
            with self.subTest(text=text):
                self.assertEqual(list(breaks_of_ownership(Source(module, text))), [])
