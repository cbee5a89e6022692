"""The registry of workflow classes, by name and version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from durable.authoring.parse.wording import did_you_mean, refuse, short
from durable.errors import WorkflowNotFound

if TYPE_CHECKING:
    from durable.authoring.workflow import Workflow

_classes: dict[tuple[str, int], type[Workflow]] = {}

#: keys registered outside of ``isolate``, which a class defined inside may take meanwhile
_shadowed: set[tuple[str, int]] = set()


def register(cls: type[Workflow]) -> None:
    """Register a class; it replaces one of the same module and qualified name (reloading)."""
    key = (cls.definition.name, cls.definition.version)
    other = _classes.get(key)
    taken = other is not None and key not in _shadowed and _origin(other) != _origin(cls)
    if taken and other is not None:
        refuse(
            f"{short(cls.__qualname__)}.Meta.name",
            f"{key[0]!r} version {key[1]} is already {other.__module__}.{other.__qualname__}. "
            "Give one of them another name, or another version.",
        )
    _classes[key] = cls
    _shadowed.discard(key)


def get(name: str, version: int) -> type[Workflow] | None:
    """The class of exactly this name and version, or ``None``."""
    return _classes.get((name, version))


def newest(name: str) -> type[Workflow] | None:
    """The class of this name with the highest version, or ``None``."""
    versions = [version for known, version in _classes if known == name]
    return _classes[name, max(versions)] if versions else None


def latest(name: str) -> type[Workflow]:
    """``newest``, but ``WorkflowNotFound`` instead of ``None``."""
    found = newest(name)
    if found is None:
        raise WorkflowNotFound(_missing(name))
    return found


def resolve(workflow: type[Workflow] | str, version: int | None = None) -> type[Workflow]:
    """The class given itself or by name; without a version, the highest one.

    ``WorkflowNotFound`` if there is none.
    """
    if not isinstance(workflow, str):
        definition = getattr(workflow, "definition", None)
        if definition is None:
            raise WorkflowNotFound(f"{workflow!r} is not a workflow that can be started.")
        if version is None or version == definition.version:
            return workflow
    name: str = workflow if isinstance(workflow, str) else workflow.definition.name
    if version is None:
        return latest(name)
    found = get(name, version)
    if found is None:
        latest(name)  # raises if the name is unknown
        versions = sorted(one for known, one in _classes if known == name)
        raise WorkflowNotFound(
            f"There is no version {version} of workflow {name!r}, only "
            f"{', '.join(map(str, versions))}."
        )
    return found


def lacks(name: str, version: int) -> str:
    """A text about the workflow or version missing in this code; empty if the version is there."""
    if get(name, version) is not None:
        return ""
    versions = sorted(one for known, one in _classes if known == name)
    if not versions:
        return f"there is no workflow {name!r} in this code"
    return f"{name} version {version} is gone; this code has {', '.join(map(str, versions))}"


def kinds() -> frozenset[str]:
    """All ``name@version`` that this process can run."""
    return frozenset(f"{name}@{version}" for name, version in list(_classes))


def all() -> list[type[Workflow]]:
    """All classes, by name, then version."""
    return [_classes[key] for key in sorted(_classes)]


@contextmanager
def isolate() -> Iterator[None]:
    """Forget classes defined in the block when it ends, and restore replaced ones. For tests.

    A class inside may take a name that is registered outside.
    """
    before, outer = dict(_classes), set(_shadowed)
    _shadowed.update(before)
    try:
        yield
    finally:
        _classes.clear()
        _classes.update(before)
        _shadowed.clear()
        _shadowed.update(outer)


def _origin(cls: type[Any]) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


def _missing(name: str) -> str:
    names = sorted({known for known, _ in _classes})
    hint = did_you_mean(name, names)
    if not hint:
        hint = f" Known are: {', '.join(names)}." if names else " None is registered at all."
    return (
        f"There is no workflow {name!r}.{hint} An app's workflows.py is imported by itself; "
        "workflows elsewhere must be imported there."
    )
