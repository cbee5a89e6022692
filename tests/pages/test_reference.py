"""The pages of the reference say what the code says: all of it, and nothing else."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

import durable
from durable import client, conf, testing
from durable.authoring.nodes.steps import COMPENSATION_OPTIONS, STEP_OPTIONS
from durable.authoring.parse.options import Options, WorkflowMeta
from durable.authoring.parse.reserved import RESERVED
from durable.doors.access import PERMISSIONS
from durable.rest.urls import urlpatterns
from durable.states import Status
from tests.pages import commands
from tests.pages.test_pages import PAGES, named
from tests.typing.readme import ROOT

REFERENCE = [page for page in PAGES if page.parent.name == "reference"]

FIRST_CELL = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)
ROW = re.compile(r"^\| (.*) \|$", re.MULTILINE)
CALL = re.compile(r"`(\w+)\(([^`]*)\)`")
CODE = re.compile(r"`([^`]+)`")


def cells(text: str) -> Iterator[list[str]]:
    """The rows of the tables, cell by cell."""
    for row in ROW.findall(text):
        yield [cell.strip() for cell in row.split("|")]


def once(found: list[str], wanted: Any) -> None:
    """Each is described, and once."""
    assert sorted(found) == sorted(wanted)


def parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Parameters with their defaults, as a page writes them (``*`` before those by keyword)."""
    found: dict[str, Any] = {}
    for name, one in inspect.signature(function).parameters.items():
        if name in ("by", "unknown"):  # said once for all; refuses what is unknown
            continue
        if one.kind is one.KEYWORD_ONLY and not {"*", "*nodes"} & set(found):
            found["*"] = one.empty
        prefix = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        found[prefix + name] = one.default
    return found


def signature(function: Callable[..., Any], written: str) -> None:
    """A signature on a page names the parameters in their order, and true defaults."""
    real = parameters(function)
    shown = [one.strip().partition("=") for one in written.split(",") if one.strip()]
    names = [name for name, _, _ in shown]
    if names[-1:] == ["..."]:
        names.pop()
        assert names == list(real)[: len(names)]
    else:
        assert names == list(real), function
    for name, _, default in shown:
        if default:
            assert ast.literal_eval(default) == real[name], (function, name)


def of_settings(text: str) -> None:
    once(FIRST_CELL.findall(text), conf.DEFAULTS)
    for row in cells(text):
        if (key := row[0].strip("`")) in conf.DEFAULTS and "…" not in row[1]:
            default = conf.DEFAULTS[key]
            shown = row[1].strip("`")
            if isinstance(default, timedelta):
                assert repr(default) == f"datetime.{shown}", key
            else:
                assert ast.literal_eval(shown) == default, key


def of_errors(text: str) -> None:
    public = (
        value for name in durable.__all__ if isinstance(value := getattr(durable, name), type)
    )
    errors = {one.__name__ for one in public if issubclass(one, durable.DurableError)}
    once(FIRST_CELL.findall(text), errors - {"DurableError"})


def of_statuses(text: str) -> None:
    once(FIRST_CELL.findall(text), Status.values)


def of_reserved_names(text: str) -> None:
    once(re.findall(r"`(\w+)`[,.]", text), RESERVED)


def of_client(text: str) -> None:
    calls = [call for row in cells(text) for call in CALL.findall(row[0])]
    once([name for name, _ in calls], {n for n in client.__all__ if f"a{n}" in client.__all__})
    for name, written in calls:
        signature(getattr(client, name), written)


def of_testing(text: str) -> None:
    calls = [call for row in cells(text) for call in CALL.findall(row[0])]
    once([name for name, _ in calls], testing.__all__)
    for name, written in calls:
        signature(getattr(testing, name), written)


def of_flow(text: str) -> None:
    blocks = [(*CALL.findall(row[0])[0], row[1]) for row in cells(text) if CALL.match(row[0])]
    blocks = [block for block in blocks if block[0] in durable.__all__]
    once(
        [name for name, _, _ in blocks],
        ["chain", "branch", "parallel", "foreach", "repeat", "catch"],
    )
    for block, written, options in blocks:
        real = parameters(getattr(durable, block))
        named = set(re.findall(r"\w+", written)) | {"name", "*"}
        for name, default in re.findall(r"`(\w+)=?([^`]*)`", options):
            if name in real and default:
                assert ast.literal_eval(default) == real[name], (block, name)
            named.add(name)
        missing = {name for name in real if not name.startswith("*")} - named
        assert not missing, (block, missing)


def of_steps(text: str) -> None:
    options, _, others = text.partition("## `@<step>")
    once(FIRST_CELL.findall(options), STEP_OPTIONS)
    once(FIRST_CELL.findall(others.partition("## ")[0]), COMPENSATION_OPTIONS)
    (retry,) = re.findall(r"^`(Retry\(.*\))`$", others, re.MULTILINE)
    assert (
        eval(retry, {name: getattr(durable, name) for name in durable.__all__}) == durable.Retry()
    )
    assert re.findall(r"(\w+)=", retry) == list(inspect.signature(durable.Retry).parameters)
    meta = text.partition("## `Meta`")[2].partition("##")[0]
    for name in WorkflowMeta.__annotations__:
        found = re.search(rf"`{name}`(?: \((?:`([^`]+)`|(\d+))\))?", meta)
        assert found is not None, name
        if (default := found[1] or found[2]) and name not in ("subject", "on_failure"):
            assert ast.literal_eval(default) == vars(Options)[name], name
    offered = text.partition("## `self`")[2]
    of_class = {"flow", "Meta", "forms", "definition", "stub", "bound"}
    twins = {name for name in RESERVED if name.startswith("a") and name[1:] in RESERVED}
    missing = {n for n in {*RESERVED} - of_class - twins if not re.search(rf"`{n}\b", offered)}
    assert not missing, missing


def of_rest(text: str) -> None:
    shown: dict[str, set[str]] = {}
    addresses: list[str] = []
    for row in (row for row in cells(text) if len(row) == 3):
        if found := CODE.findall(row[0]):
            top, parent = found[0].split("/")[0], found[0].rstrip("/").rpartition("/")[0]
            addresses = [a if a.startswith(f"{top}/") else f"{parent}/{a}" for a in found]
        for address in addresses:
            shown.setdefault(address, set()).update(re.findall(r"^(?:GET|POST)", row[1]))
    real = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern)): {
            verb.upper()
            for verb in ("get", "post", "put", "patch", "delete")
            if hasattr(pattern.callback.view_class, verb)
        }
        for pattern in urlpatterns
    }
    assert shown == real


def of_permissions(text: str) -> None:
    table = {name for row in cells(text) for name in re.findall(r"`(durable\.\w+)`", row[-1])}
    assert table == {*PERMISSIONS.values(), "durable.view_event"}
    models = apps.get_app_config("durable").get_models()
    known = {
        f"durable.{codename}"
        for meta in (model._meta for model in models)
        for codename in (
            *(f"{verb}_{meta.model_name}" for verb in ("add", "change", "delete", "view")),
            *(codename for codename, _ in meta.permissions),
        )
    }
    assert table <= known
    once(CODE.findall(text.partition("`action` is one of")[2].partition(".")[0]), PERMISSIONS)


def of_licences(text: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    asked = [*project["dependencies"], *(one for extra in extras for one in extra)]
    wanted = {re.split(r"[\[>]", one)[0] for one in asked}
    rows = {name[0]: row[1] for row in cells(text) if (name := CODE.findall(row[0]))}
    assert rows.keys() == wanted | {"psycopg-binary", "psycopg-pool"}
    for name, licence in rows.items():
        said = metadata.metadata(name)
        known = [
            *said.get_all("Classifier", []),
            said.get("License-Expression"),
            said.get("License"),
        ]
        first = licence.partition(" (")[0].removesuffix(" License").partition("-")[0]
        assert any(first in (one or "") for one in known), (name, licence, known)


def of_commands(text: str) -> None:
    how = "run: DJANGO_SETTINGS_MODULE=tests.settings python -m tests.pages.commands"
    assert text == commands.text(), how


@pytest.mark.parametrize("page", REFERENCE, ids=named)
def test_the_page_says_what_the_code_says(page: Path) -> None:
    check = globals()[f"of_{page.stem.replace('-', '_')}"]  # a new page needs one
    check(page.read_text(encoding="utf-8"))


def test_a_wrong_signature_is_noticed() -> None:
    signature(testing.drain, "max_steps=10000")
    signature(client.list_executions, "workflow, ...")
    for written in ("max_steps=5", "steps", "max_steps, more", ""):
        with pytest.raises(AssertionError):
            signature(testing.drain, written)
