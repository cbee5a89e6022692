"""The house rules that can be read from the source: layers, floors, rooms, size, names."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest import TestCase

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "durable"

# -- the rules -----------------------------------------------------------------------------

VOCABULARY = "vocabulary"
AUTHORING = "authoring"
MODELS = "models"
ENGINE = "engine"
DRAWING = "drawing"  # pictures of flows: needs no database
SHOWN = "showing"  # how rows and values are shown, whatever the door
SHARED = "doors"  # what several doors need
FACADE = "facade"  # durable/__init__.py: the public names
GLUE = "glue"  # what Django asks for by name; nobody imports it

#: The layer of each module or package, by the longest dotted prefix (under ``durable``) that fits.
LAYERS: dict[str, str] = {
    **dict.fromkeys(
        (
            "errors",
            "states",
            "clock",
            "codec",
            "increments",
            "refusals",
            "conf",
            "signals",
            "helpers",
        ),
        VOCABULARY,
    ),
    "authoring": AUTHORING,
    "models": MODELS,
    "migrations": MODELS,
    "storage": ENGINE,
    "people": ENGINE,
    "people.reach": SHARED,
    "engine": ENGINE,
    "drawing": DRAWING,
    "showing": SHOWN,
    "showing.characters": VOCABULARY,  # the drawings show texts, too
    "doors": SHARED,
    # Doors: each is a layer of its own.
    **{
        door: door
        for door in (
            "client",
            "worker",
            "rest",
            "admin",
            "dashboard",
            "management",
            "crontab",
            "testing",
        )
    },
    "__init__": FACADE,
    "apps": GLUE,
    "checks": GLUE,
    "door_checks": GLUE,
    "routers": GLUE,
    "urls": GLUE,
    "templatetags": GLUE,
}

BELOW_DOORS = frozenset({VOCABULARY, AUTHORING, MODELS, ENGINE})
SHOWING = BELOW_DOORS | {DRAWING, SHOWN, SHARED}

#: What a layer may import at the top of a module (itself is always allowed).
MAY_IMPORT: dict[str, frozenset[str]] = {
    VOCABULARY: frozenset(),
    AUTHORING: frozenset({VOCABULARY}),
    MODELS: frozenset({VOCABULARY}),
    ENGINE: frozenset({VOCABULARY, AUTHORING, MODELS}),
    DRAWING: frozenset({VOCABULARY, AUTHORING}),
    SHOWN: BELOW_DOORS | {DRAWING},
    SHARED: BELOW_DOORS | {DRAWING, SHOWN},
    "client": BELOW_DOORS,
    "worker": BELOW_DOORS,
    "rest": SHOWING,
    "admin": SHOWING | {"dashboard"},
    "dashboard": SHOWING,
    "management": SHOWING | {"worker"},
    "crontab": BELOW_DOORS,
    "testing": BELOW_DOORS | {"worker"},
    FACADE: frozenset({VOCABULARY, AUTHORING}),
    GLUE: BELOW_DOORS | {SHOWN, SHARED, "rest", "dashboard"},
}

#: What it may import besides, inside a function: where the import must wait for Django's apps,
#: or for the call.
MAY_IMPORT_LAZILY: dict[str, frozenset[str]] = {
    AUTHORING: frozenset({MODELS, ENGINE, "client"}),
    "rest": frozenset({"client"}),
    "admin": frozenset({"client"}),
    "management": frozenset({"client"}),
    "testing": frozenset({"client"}),
    FACADE: frozenset({"client"}),
}

#: Rooms of one layer: each may import those of lower floors, and itself.
FLOORS: dict[str, int] = {
    "storage": 0,
    "engine.row": 1,
    "engine.ends": 2,
    "engine.start": 3,
    "people": 3,
    "engine.deliver": 4,
    "engine.undo": 5,
    "engine.parts": 5,
    "engine.body": 6,
    "engine.run": 7,
    "engine.calendar": 7,
    "engine.operators": 8,
    "engine.duties": 9,
    # above the engine, below the doors
    "showing": 0,
    "showing.run": 1,
    "doors.workflows": 1,
    "doors.access": 2,
    "people.reach": 3,
    "doors": 4,
}

#: Packages that say at their top what they are for and what they may import.
FILES = ("engine.deliver", "doors.access", "doors.workflows")  # floors of one file
ROOMS = {
    f"durable.{room}"
    for room in (
        *(room for room in FLOORS if room not in FILES),
        *("authoring", "models", "drawing", "worker", "dashboard", "rest", "management"),
        *(f"authoring.{one}" for one in ("nodes", "parse", "self", "calendar")),
        *(f"rest.{one}" for one in ("base", "schema", "views", "webhooks")),
        *(
            f"dashboard.{one}"
            for one in ("shared", "list", "run", "people", "calendar", "operations")
        ),
    )
}

#: Rooms have about ten files; more only where Django, or a subject, wants one flat list.
MAX_FILES = 11
FLAT = frozenset(
    {
        "durable",  # what users import
        "durable.migrations",
        "durable.models",
        "durable.drawing",
        "durable.worker",
        "durable.management.commands",
    }
)

#: Single modules with an exception of their own, inside a function: (importer, imported).
LAZY_EXCEPTIONS = frozenset({("durable.helpers", "durable.authoring.self.context")})

#: Imports for types alone that close a circle: (importer, imported). ``Workflow`` keeps the
#: definition of each subclass, registers it, and hands its steps a context. A definition names the
#: class it is of, the registry finds classes, a context starts one: users know that type as
#: ``Workflow``, and a protocol below it would only repeat the class.
TYPE_CIRCLES = frozenset(
    (f"durable.authoring.{module}", "durable.authoring.workflow")
    for module in ("parse.definition", "parse.registry", "self.context")
)

#: Not at the top of a module of the layer: authoring is importable before Django's apps are.
FORBIDDEN_OUTSIDE: dict[str, tuple[str, ...]] = {AUTHORING: ("django.db", "django.contrib")}

#: What does due work; it is called through the list of duties only.
DUTY_LIST = "durable.engine.duties.duty"
DUTY_FUNCTIONS = frozenset(
    {
        "tell_due",
        "register_declared",
        "promote",
        "fire_due",
        "fail_orphans",
        "bury_all",
        "deliver_due",
        "wake_answered",
        "report_due",
        "block_orphans",
        "free_strays",
        "expire_events",
    }
)
#: A deploy and the beginning of a test register schedules without waiting for a worker.
DUTIES_ELSEWHERE = frozenset(
    {
        ("durable.engine.calendar.deployed", "register_declared"),
        ("durable.testing.firing", "register_declared"),
    }
)

#: Where values and times are shown, but not written: that is done in ``showing``.
SHOWS = ("dashboard", "rest", "management", "templatetags", "doors", "people.reach")
WRITES_TEXT = frozenset(
    {"json.dumps", "strftime", "date_format", "timesince", "duration_iso_string"}
)
NOT_FOR_PEOPLE = frozenset({"durable.rest.base.pagination"})  # a cursor

MAX_LINES = 400
SAYS_NOTHING = re.compile(r"_*(do|process|handle|maybe)_")
#: Names that a framework calls, and that therefore can't be chosen.
NOT_OUR_NAMES = frozenset({"handle_exception", "handle_no_permission", "process_exception"})
#: Class names that Django looks for, so that many modules have one.
DJANGO_LOOKS_FOR = {
    "Command": "one in each module of management.commands",
    "Media": "the scripts and styles of an admin page or a form",
    "Meta": "the options inside a model, a form or a filter set",
    "Migration": "one in each module of migrations",
}
#: Public names of types that are no classes.
PUBLIC_ALIASES = frozenset({"Data"})
# Written in halves, so that this file doesn't contain what it looks for.
UNFINISHED = re.compile(r"\b(" + "|".join(("TODO", "FIXME", "XXX")) + r")\b")
UNFINISHED_NAME = "NotImplementedError"


class Source(NamedTuple):
    """One module: its dotted name, whether it is a package's ``__init__``, its text."""

    module: str
    text: str
    is_package: bool = False

    @property
    def tree(self) -> ast.Module:
        """The parsed text."""
        return ast.parse(self.text)

    @property
    def in_migrations(self) -> bool:
        """Whether Django wrote it."""
        return self.module.startswith("durable.migrations")


class Import(NamedTuple):
    """One imported module; ``lazy`` inside a function, ``types`` under ``TYPE_CHECKING``."""

    line: int
    target: str
    lazy: bool
    types: bool


# -- reading -------------------------------------------------------------------------------


def sources() -> list[Source]:
    """Every module of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        found.append(Source(name, path.read_text(encoding="utf-8"), is_package))
    return found


def layer_of(module: str) -> str | None:
    """The layer of a module, or of a name in one: that of the longest prefix in ``LAYERS``."""
    parts = module.split(".")[1:] or ["__init__"]
    for length in range(len(parts), 0, -1):
        layer = LAYERS.get(".".join(parts[:length]))
        if layer is not None:
            return layer
    return None


def imports(source: Source, *, types: bool = False) -> list[Import]:
    """What a module imports, by statement or ``import_module("…")``.

    An import for types alone is none, unless ``types`` asks for these too.
    """
    return [one for one in _all_imports(source) if types or not one.types]


@cache
def _all_imports(source: Source) -> list[Import]:
    return list(_imports_in(source, source.tree, lazy=False, types=False))


def _imports_in(source: Source, node: ast.AST, *, lazy: bool, types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        is_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(child.lineno, alias.name, lazy, types)
        elif isinstance(child, ast.ImportFrom):
            base = _base_of(source, child)
            for alias in child.names:
                yield Import(child.lineno, f"{base}.{alias.name}", lazy, types)
        elif isinstance(child, ast.Call) and _called(child) == "import_module" and child.args:
            (name, *_) = child.args
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield Import(child.lineno, name.value, lazy, types)
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imports_in(source, child, lazy=lazy or is_function, types=types or is_types)


def _base_of(source: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = source.module.split(".")
    up = node.level - (1 if source.is_package else 0)
    base = parts[: len(parts) - up]
    return ".".join([*base, node.module] if node.module else base)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)


# -- the rules, each a function from a source to its violations ----------------------------


def breaks_of_layers(source: Source) -> Iterator[str]:
    """Imports point one way: vocabulary ← authoring, models ← engine ← doors."""
    layer = layer_of(source.module)
    if layer is None:
        yield f"{source.module} belongs to no layer: add it to LAYERS"
        return
    for line, target, lazy, _ in imports(source):
        where = f"{source.module}:{line}"
        if target == "durable" or target.startswith("durable."):
            # ``from durable import start`` asks the façade; ``from durable import clock`` doesn't.
            other = layer_of(target) or FACADE
            allowed = MAY_IMPORT[layer] | (
                MAY_IMPORT_LAZILY.get(layer, frozenset()) if lazy else frozenset()
            )
            excepted = lazy and any(
                source.module == importer and f"{target}.".startswith(f"{imported}.")
                for importer, imported in LAZY_EXCEPTIONS
            )
            if other != layer and other not in allowed and not excepted:
                yield f"{where}: {layer} imports {target} ({other}){' lazily' * lazy}"
        elif not lazy:
            for forbidden in FORBIDDEN_OUTSIDE.get(layer, ()):
                if f"{target}.".startswith(f"{forbidden}."):
                    yield f"{where}: {layer} imports {target}"


def floor_of(module: str) -> tuple[str, int] | None:
    """The room of a module, or of a name in one, and the floor on which it lies."""
    parts = module.split(".")[1:]
    for length in range(len(parts), 0, -1):
        room = ".".join(parts[:length])
        if room in FLOORS:
            return room, FLOORS[room]
    return None


def breaks_of_floors(source: Source) -> Iterator[str]:
    """Inside a layer imports go down: a room imports itself and rooms of lower floors."""
    own = floor_of(source.module)
    for line, target, *_ in imports(source):
        other = floor_of(target) if target.startswith("durable.") else None
        if own is None or other is None or layer_of(source.module) != layer_of(target):
            continue
        if other[0] != own[0] and other[1] >= own[1]:
            yield f"{source.module}:{line}: {own[0]} imports {target}, on floor {other[1]}"


def breaks_of_rooms(all_sources: list[Source]) -> Iterator[str]:
    """A room has about ten files."""
    files = Counter(
        source.module if source.is_package else source.module.rpartition(".")[0]
        for source in all_sources
    )
    for room, number in files.items():
        if number > MAX_FILES + 1 and room not in FLAT:  # and its ``__init__``
            yield f"{room} has {number - 1} files; {MAX_FILES} are allowed"


def circles(all_sources: list[Source]) -> list[list[str]]:
    """Modules that import each other at their top, directly or around a corner."""
    return _circles(all_sources, types=False, excepted=frozenset())


def type_circles(
    all_sources: list[Source], excepted: frozenset[tuple[str, str]] = TYPE_CIRCLES
) -> list[list[str]]:
    """The same with imports for types alone, but for the ``excepted`` pairs."""
    return _circles(all_sources, types=True, excepted=excepted)


def _circles(
    all_sources: list[Source], *, types: bool, excepted: frozenset[tuple[str, str]]
) -> list[list[str]]:
    names = {source.module for source in all_sources}
    left: dict[str, set[str]] = {}
    for source in all_sources:
        targets = (one.target for one in imports(source, types=types) if not one.lazy)
        found = {t if t in names else t.rpartition(".")[0] for t in targets} & names
        own = source.module
        left[own] = {name for name in found if name != own and (own, name) not in excepted}
    while free := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in free:
            del left[name]
    while free := left.keys() - set().union(*left.values()):  # who only imports the circle
        for name in free:
            del left[name]
    return [sorted(left)] if left else []


def breaks_of_duties(source: Source) -> Iterator[str]:
    """Whoever does due work goes through the list: only that calls the functions of duties."""
    if source.module == DUTY_LIST:
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        name = _called(node)
        if name in DUTY_FUNCTIONS and (source.module, name) not in DUTIES_ELSEWHERE:
            yield f"{source.module}:{node.lineno}: {ast.unparse(node.func)}(…) does a duty"


def breaks_of_showing(source: Source) -> Iterator[str]:
    """JSON and times are written in ``showing``, in one way for each medium."""
    room = source.module.removeprefix("durable.")
    if not f"{room}.".startswith(tuple(f"{one}." for one in SHOWS)):
        return
    for node in ast.walk(source.tree):
        is_call = isinstance(node, ast.Call) and (
            WRITES_TEXT & {_called(node), ast.unparse(node.func)}
        )
        is_format = isinstance(node, ast.FormattedValue) and "%" in ast.unparse(
            node.format_spec or ast.Constant("")
        )
        if (is_call or is_format) and source.module not in NOT_FOR_PEOPLE:
            yield f"{source.module}:{node.lineno}: {ast.unparse(node)}"


def breaks_of_size(source: Source) -> Iterator[str]:
    """No file passes 400 lines (what Django generates aside)."""
    lines = source.text.count("\n")
    if lines > MAX_LINES and not source.in_migrations:
        yield f"{source.module} has {lines} lines; {MAX_LINES} are allowed"


def breaks_of_docstrings(source: Source) -> Iterator[str]:
    """Every module says in its first statement what it is for."""
    if source.in_migrations or (source.is_package and not source.text.strip()):
        return
    if ast.get_docstring(source.tree) is None:
        yield f"{source.module} doesn't begin with a docstring"


def breaks_of_names(source: Source) -> Iterator[str]:
    """No function is named do_, process_, handle_ or maybe_: such names say nothing."""
    for node in ast.walk(source.tree):
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and SAYS_NOTHING.match(node.name)
            and node.name not in NOT_OUR_NAMES
        ):
            yield f"{source.module}:{node.lineno}: {node.name}"


def breaks_of_class_names(everything: Iterable[Source]) -> Iterator[str]:
    """No two classes have the same name, and none has that of a public alias."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for source in everything:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and node.name not in DJANGO_LOOKS_FOR:
                places[node.name].append(f"{source.module}:{node.lineno}")
    for name, where in sorted(places.items()):
        if len(where) > 1 or name in PUBLIC_ALIASES:
            yield f"{name}: {', '.join(where)}"


def breaks_of_completeness(source: Source) -> Iterator[str]:
    """Nothing is left for later."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if UNFINISHED.search(line):
            yield f"{source.module}:{number}: {line.strip()}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and node.id == UNFINISHED_NAME:
            yield f"{source.module}:{node.lineno}: {UNFINISHED_NAME}"


# -- the package keeps them ------------------------------------------------------------------


class HouseTests(TestCase):
    """Every module of the package keeps every rule."""

    def check(self, rule: object) -> None:
        assert callable(rule)
        found = [violation for source in sources() for violation in rule(source)]
        self.assertEqual(found, [], f"{rule.__doc__}\n" + "\n".join(found))

    def test_the_package_is_read(self) -> None:
        self.assertIn("durable.clock", {source.module for source in sources()})

    def test_imports_point_one_way(self) -> None:
        self.check(breaks_of_layers)

    def test_inside_a_layer_imports_go_down(self) -> None:
        self.check(breaks_of_floors)

    def test_no_modules_import_each_other_in_a_circle(self) -> None:
        self.assertEqual(circles(sources()), [])

    def test_no_types_close_a_circle_but_those_that_must(self) -> None:
        here = sources()
        self.assertEqual(type_circles(here), [])
        for pair in TYPE_CIRCLES:
            self.assertTrue(type_circles(here, TYPE_CIRCLES - {pair}), f"{pair} closes no circle")

    def test_no_room_has_too_many_files(self) -> None:
        self.assertEqual(list(breaks_of_rooms(sources())), [])

    def test_every_room_of_the_engine_has_a_floor(self) -> None:
        for source in sources():
            if source.module.startswith("durable.engine."):
                self.assertIsNotNone(floor_of(source.module), source.module)

    def test_every_room_says_what_it_may_import(self) -> None:
        rooms = [source for source in sources() if source.is_package and source.module in ROOMS]
        self.assertEqual({source.module for source in rooms}, ROOMS)
        for source in rooms:
            self.assertIn("May import: ", source.text, source.module)

    def test_due_work_is_listed_once(self) -> None:
        self.check(breaks_of_duties)

    def test_values_and_times_are_written_in_one_place(self) -> None:
        self.check(breaks_of_showing)

    def test_no_file_is_too_long(self) -> None:
        self.check(breaks_of_size)

    def test_every_module_says_what_it_is_for(self) -> None:
        self.check(breaks_of_docstrings)

    def test_names_say_something(self) -> None:
        self.check(breaks_of_names)

    def test_no_two_classes_have_one_name(self) -> None:
        self.assertEqual(list(breaks_of_class_names(sources())), [])

    def test_nothing_is_left_unfinished(self) -> None:
        self.check(breaks_of_completeness)


# -- the rules catch what they are for -------------------------------------------------------


class LayerRuleTests(TestCase):
    """The rule about imports catches planted violations, and only those."""

    def refused(self, module: str, text: str, *, is_package: bool = False) -> None:
        found = list(breaks_of_layers(Source(module, text, is_package)))
        self.assertEqual(len(found), 1, f"{module} may import: {text}\n{found}")

    def accepted(self, module: str, text: str, *, is_package: bool = False) -> None:
        self.assertEqual(list(breaks_of_layers(Source(module, text, is_package))), [])

    def test_a_module_without_a_layer_is_refused(self) -> None:
        self.refused("durable.misc", "")

    def test_vocabulary_imports_vocabulary_only(self) -> None:
        self.accepted("durable.clock", "from durable import conf\nfrom durable.errors import Fail")
        self.refused("durable.clock", "from durable.models import Execution")
        self.refused("durable.clock", "import durable.engine.run.claim")
        self.refused("durable.clock", "def f():\n    from durable import models")
        self.refused("durable.conf", "import durable")

    def test_helpers_find_the_running_step_when_called(self) -> None:
        lazily = "def f():\n    from durable.authoring.self.context import current"
        self.accepted("durable.helpers", lazily)
        self.refused("durable.increments", lazily)
        self.refused("durable.helpers", "from durable.authoring.self.context import current")
        self.refused("durable.helpers", "def f():\n    from durable.authoring import registry")

    def test_authoring_is_importable_without_the_orm(self) -> None:
        self.accepted("durable.authoring.nodes.flow", "from durable import errors, states")
        self.accepted(
            "durable.authoring.self.context", "def f():\n    from durable.models import Wait"
        )
        self.accepted("durable.authoring.self.context", "def f():\n    import durable.client")
        self.refused("durable.authoring.self.context", "from durable.models import Wait")
        self.refused("durable.authoring.self.context", "from durable.engine import start")
        self.refused("durable.authoring.self.context", "from django.db import models")
        self.refused("durable.authoring.self.context", "import django.db.models")
        self.refused("durable.authoring.self.context", "class A:\n    from django.db import models")
        self.accepted(
            "durable.authoring.self.context", "def f():\n    from django.db import models"
        )

    def test_types_alone_are_no_import(self) -> None:
        self.accepted(
            "durable.authoring.self.context",
            "if TYPE_CHECKING:\n    from durable.models import Execution",
        )

    def test_models_know_names_not_classes(self) -> None:
        self.accepted("durable.models.wait", "from durable.models.base import manager")
        self.refused("durable.models.wait", "from durable.authoring import registry")
        self.refused("durable.models.wait", "def f():\n    from durable.engine import claim")

    def test_the_engine_knows_no_door(self) -> None:
        self.accepted("durable.engine.run.claim", "from durable.models import Execution")
        self.accepted("durable.engine.run.claim", "from durable.authoring import registry")
        self.refused("durable.engine.run.claim", "from durable.worker import loop")
        self.refused("durable.engine.run.claim", "def f():\n    from durable.client import start")
        self.refused("durable.engine.run.claim", "from durable import start")

    def test_doors_do_not_import_one_another(self) -> None:
        self.accepted("durable.rest.views", "from durable.engine import cancel")
        self.refused("durable.rest.views", "from durable.admin import ExecutionAdmin")
        self.refused("durable.worker.loop", "import durable.testing")
        self.refused("durable.crontab", "def f():\n    from durable.management import commands")
        self.accepted("durable.management.commands.durable_worker", "import durable.worker.loop")
        self.accepted("durable.testing", "from durable.worker import process")
        self.refused("durable.testing", "from durable.rest import views")

    def test_the_client_is_called_but_not_imported_at_the_top(self) -> None:
        self.accepted("durable.rest.views", "def f():\n    from durable import client")
        self.refused("durable.rest.views", "from durable import client")
        self.refused("durable.worker.loop", "def f():\n    from durable import client")
        self.refused("durable", "from durable.client import start", is_package=True)
        self.accepted("durable", "def f():\n    import_module('durable.client')", is_package=True)
        self.refused("durable", "import_module('durable.client')", is_package=True)

    def test_relative_imports_are_followed(self) -> None:
        self.refused("durable.models.wait", "from ..engine import claim")
        self.accepted("durable.models.wait", "from .base import manager")
        self.refused("durable.models", "from ..engine import claim", is_package=True)
        self.accepted("durable.models", "from .wait import Wait", is_package=True)

    def test_drawings_need_no_database_and_are_shown_by_the_doors_for_people(self) -> None:
        self.accepted("durable.drawing.layout", "from durable.authoring.nodes.tree import Tree")
        self.refused("durable.drawing.layout", "from durable.models import Execution")
        self.refused("durable.drawing.layout", "from durable.doors import run_overlay")
        self.accepted("durable.showing.run.overlay", "from durable.drawing import Overlay")
        self.refused("durable.showing.run.overlay", "from durable.rest import views")
        self.refused("durable.showing.masking", "from durable.doors import access")
        self.accepted("durable.drawing.svg", "from durable.showing.characters import drawable")
        self.refused("durable.drawing.svg", "from durable.showing import times")
        self.accepted("durable.rest.views", "from durable.drawing import svg")
        self.accepted("durable.rest.views", "from durable.showing.run.overlay import run_overlay")
        self.refused("durable.worker.loop", "from durable.drawing import svg")
        self.refused("durable.engine.run.claim", "from durable.doors import run_overlay")


class OtherRuleTests(TestCase):
    """Each other rule catches a planted violation too."""

    def test_floors(self) -> None:
        def found(module: str, text: str) -> int:
            return len(list(breaks_of_floors(Source(module, text))))

        row, run = "durable.engine.row.held", "durable.engine.run.claim"
        self.assertEqual(found(run, "from durable.engine.row.held import Claim"), 0)
        self.assertEqual(found(row, "from durable.engine.run.claim import claim_due"), 1)
        self.assertEqual(found(row, "def f():\n    from durable.engine.ends import finish"), 1)
        self.assertEqual(found("durable.engine.undo.fail", "import durable.engine.parts.join"), 1)
        self.assertEqual(found(row, "from durable.engine.row import merge"), 0)
        self.assertEqual(found(row, "from durable.storage import notify"), 0)
        self.assertEqual(found("durable.storage.audit", "from durable.people import who"), 1)
        self.assertEqual(found("durable.doors.access", "from durable.people.reach import mail"), 1)
        self.assertEqual(found("durable.people.reach.mail", "from durable.doors import access"), 0)

    def test_circles(self) -> None:
        here = [
            Source("durable.a", "from durable.b import x"),
            Source("durable.b", "from durable.c import x"),
            Source("durable.c", "def f():\n    from durable.a import y"),
        ]
        self.assertEqual(circles(here), [])
        here[2] = Source("durable.c", "from durable import a")
        self.assertEqual(circles(here), [["durable.a", "durable.b", "durable.c"]])

    def test_circles_of_types(self) -> None:
        here = [
            Source("durable.a", "from durable.b import x"),
            Source("durable.b", "if TYPE_CHECKING:\n    from durable.a import y"),
            Source("durable.above", "from durable.a import x"),
            Source("durable.below", "def f():\n    from durable.a import x"),
        ]
        self.assertEqual(circles(here), [])
        self.assertEqual(type_circles(here), [["durable.a", "durable.b"]])
        self.assertEqual(type_circles(here, frozenset({("durable.b", "durable.a")})), [])
        self.assertTrue(type_circles(here, frozenset({("durable.above", "durable.a")})))

    def test_rooms(self) -> None:
        here = [Source(f"durable.room.m{n}", "") for n in range(MAX_FILES)]
        here.append(Source("durable.room", "", True))
        self.assertFalse(list(breaks_of_rooms(here)))
        here.append(Source("durable.room.one", ""))
        self.assertTrue(list(breaks_of_rooms(here)))

    def test_duties(self) -> None:
        for text in ("deliver_due(5)", "from durable.engine import deliver\ndeliver.deliver_due()"):
            self.assertTrue(list(breaks_of_duties(Source("durable.worker.dispatcher", text))))
            self.assertFalse(list(breaks_of_duties(Source(DUTY_LIST, text))))
        self.assertFalse(
            list(breaks_of_duties(Source("durable.testing.firing", "register_declared()")))
        )

    def test_showing(self) -> None:
        for text in ("json.dumps(a)", "at.strftime('%H')", "date_format(at, 'H')", "f'{at:%H:%M}'"):
            self.assertTrue(list(breaks_of_showing(Source("durable.rest.views", text))), text)
            self.assertFalse(list(breaks_of_showing(Source("durable.showing.times", text))), text)
            self.assertFalse(list(breaks_of_showing(Source("durable.codec", text))), text)
        for text in ("json.loads(a)", "f'{n:.1f} %'", "f'{a}'", "'%s' % at"):
            self.assertFalse(list(breaks_of_showing(Source("durable.rest.views", text))), text)

    def test_length(self) -> None:
        self.assertTrue(list(breaks_of_size(Source("durable.clock", "a = 1\n" * 401))))
        self.assertFalse(list(breaks_of_size(Source("durable.clock", "a = 1\n" * 400))))

    def test_docstring(self) -> None:
        self.assertTrue(list(breaks_of_docstrings(Source("durable.clock", "import a\n'''No.'''"))))
        self.assertTrue(list(breaks_of_docstrings(Source("durable.clock", ""))))
        self.assertTrue(list(breaks_of_docstrings(Source("durable.rest", "a = 1", True))))
        self.assertFalse(list(breaks_of_docstrings(Source("durable.rest", "", True))))
        self.assertFalse(list(breaks_of_docstrings(Source("durable.clock", "'''Yes.'''"))))
        self.assertFalse(list(breaks_of_docstrings(Source("durable.migrations.0001_a", "a = 1"))))

    def test_names(self) -> None:
        for name in ("do_it", "process_step", "_handle_error", "maybe_wake"):
            for keyword in ("def", "async def"):
                text = f"class A:\n    {keyword} {name}(self): ..."
                self.assertTrue(list(breaks_of_names(Source("durable.clock", text))), name)
        for name in ("handle", "domain", "processed", "handle_exception", "redo_all"):
            text = f"def {name}(): ..."
            self.assertFalse(list(breaks_of_names(Source("durable.clock", text))), name)

    def test_class_names(self) -> None:
        def found(*texts: str) -> int:
            here = [Source(f"durable.m{n}", text) for n, text in enumerate(texts)]
            return len(list(breaks_of_class_names(here)))

        self.assertEqual(found("class A: ...", "class B: ..."), 0)
        self.assertEqual(found("class A: ...", "class A: ..."), 1)
        self.assertEqual(found("class A: ...", "def f():\n    class A: ..."), 1)
        self.assertEqual(found("class A:\n    class A: ..."), 1)
        self.assertEqual(found("class Data: ..."), 1)
        self.assertEqual(found("Data = dict", "class MaskedData: ..."), 0)
        for name in DJANGO_LOOKS_FOR:
            self.assertEqual(found(f"class {name}: ...", f"class {name}: ..."), 0)

    def test_completeness(self) -> None:
        for text in ("a = 1  # TODO", "'''FIXME'''", f"raise {UNFINISHED_NAME}('later')"):
            self.assertTrue(list(breaks_of_completeness(Source("durable.clock", text))), text)
        self.assertFalse(list(breaks_of_completeness(Source("durable.clock", "a = 'todo'"))))
