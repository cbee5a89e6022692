"""Check the arguments of waits and questions, and put them into a ``WaitSpec``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, TypedDict

from durable.authoring.parse.wording import did_you_mean, refuse, refuse_unknown
from durable.authoring.self.context import (
    ChildOptions,
    People,
    QuestionSpec,
    WaitSpec,
    WorkflowOrName,
)
from durable.authoring.values import UNSET, aware_moment, count, deadline
from durable.errors import DefinitionError

LONGEST_LABEL = 400  # characters of several events' names together

FIELD_TYPES = ("text", "number", "integer", "boolean", "date", "datetime", "email", "choice")
QUESTION_TYPES = (*FIELD_TYPES, "form", "approval")
FIELD_KEYS = ("name", "type", "label", "required", "choices", "help_text")


class Asking(TypedDict, total=False):
    """The keyword arguments shared by all questions to people."""

    prompt: str
    metadata: Mapping[str, Any] | None
    assignees: Any
    exclude: Any
    due: timedelta | datetime | None
    remind: timedelta | None
    escalate: Iterable[tuple[timedelta, Any]]
    timeout: timedelta | datetime | None
    timeout_value: Any


def timer(duration: Any) -> WaitSpec:
    """A sleep of some length."""
    if not isinstance(duration, timedelta):
        raise TypeError(f"sleep() takes a timedelta such as days(3), not {duration!r}.")
    return WaitSpec("timer", "sleep", until=duration)


def alarm(at: Any) -> WaitSpec:
    """A sleep until an instant."""
    return WaitSpec("timer", "sleep", until=aware_moment(at, "sleep_until()"))


def event(name: str, key: str | None, timeout: Any, timeout_value: Any) -> WaitSpec:
    """A wait for one event."""
    return _events("event", "wait_for_event()", [name], key, timeout, timeout_value)


def events(kind: str, names: Iterable[str], key: str | None, timeout: Any, value: Any) -> WaitSpec:
    """A wait for any, or all, of several events."""
    call = f"wait_for_{kind}()"
    if isinstance(names, str):
        raise TypeError(f"{call} takes a list of names, not the text {names!r}.")
    return _events(kind, call, list(names), key, timeout, value)


def _events(kind: str, call: str, names: list[str], key: Any, timeout: Any, value: Any) -> WaitSpec:
    for name in names:
        _name(name, call)
    if not names or len(set(names)) != len(names):
        refuse(call, f"takes names that differ, at least one; not {names!r}.")
    if key is not None and (not isinstance(key, str) or not key):
        raise TypeError(f"{call} takes a text as key, not {key!r}.")
    label = "|".join(names)
    if len(label) > LONGEST_LABEL:
        label = (
            f"{label[: LONGEST_LABEL - 70]}… {sha256(label.encode(errors='replace')).hexdigest()}"
        )
    return WaitSpec(
        kind,
        label,
        names=tuple(names),
        key=key,
        timeout=deadline(timeout, f"{call}: timeout"),
        timeout_value=value,
    )


def child(
    workflow: WorkflowOrName,
    input: Mapping[str, Any] | None,
    ref: str | None,
    timeout: Any,
    timeout_value: Any,
    options: ChildOptions,
) -> WaitSpec:
    """A wait for the end of a child workflow."""
    started_with("call_workflow", options)
    return WaitSpec(
        "child",
        ref or workflow_name(workflow),
        workflow=workflow,
        input=input,
        ref=ref,
        options=options,
        timeout=deadline(timeout, "call_workflow(): timeout"),
        timeout_value=timeout_value,
    )


def started_with(call: str, options: ChildOptions) -> ChildOptions:
    """A child's options, checked for unknown names (``TypeError``)."""
    _refuse_unknown(call, options, ChildOptions.__annotations__)
    return options


def _refuse_unknown(call: str, given: Iterable[str], known: Mapping[str, Any]) -> None:
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known)
            raise TypeError(f"{call}() got an unexpected keyword argument {name!r}.{hint}")


def workflow_name(workflow: WorkflowOrName) -> str:
    """The registered name of a workflow, given as class or name."""
    if isinstance(workflow, str):
        return workflow
    definition = getattr(workflow, "definition", None)
    if definition is None:
        raise TypeError(f"{workflow!r} is not a workflow that can be started.")
    return str(definition.name)


def question(
    call: str,
    name: str,
    type: str,
    asking: Asking,
    *,
    choices: Iterable[Any] | None = None,
    multiple: bool = False,
    fields: Iterable[Mapping[str, Any]] | None = None,
    form: str | None = None,
    quorum: int = 1,
    forms: Mapping[str, Any] | None = None,
) -> WaitSpec:
    """A question to people; ``forms`` are the class's (``None``: not known yet).

    An invalid question is only ``refused`` when it is asked anew: an answer may be recorded from a
    time when its form, or the rows behind its choices, still existed.
    """
    _refuse_unknown(call, asking, Asking.__annotations__)
    where = f"{call}({_name(name, call + '()')!r})"
    refused: DefinitionError | None = None
    try:
        asked = _question(where, type, asking, choices, multiple, fields, form, quorum, forms)
        people = _people(where, asking)
    except DefinitionError as error:
        asked, people, refused = QuestionSpec(type), People(), error
    return WaitSpec(
        "input",
        name,
        question=asked,
        people=people,
        timeout=deadline(asking.get("timeout"), f"{where}: timeout"),
        timeout_value=asking.get("timeout_value", UNSET),
        refused=refused,
    )


def _question(
    where: str,
    type: str,
    asking: Asking,
    choices: Iterable[Any] | None,
    multiple: bool,
    fields: Iterable[Mapping[str, Any]] | None,
    form: str | None,
    quorum: int,
    forms: Mapping[str, Any] | None,
) -> QuestionSpec:
    if type not in QUESTION_TYPES:
        refuse(where, f"type {type!r} isn't known.{did_you_mean(type, QUESTION_TYPES)}")
    if form is not None and forms is not None and form not in forms:
        hint = did_you_mean(form, forms) or f" forms has: {', '.join(forms) or 'nothing'}."
        refuse(where, f"form {form!r} isn't in forms of the class.{hint}")
    if type == "form" and (form is None) == (fields is None):
        refuse(where, 'a form needs either fields=[…] or form="name".')
    if type == "choice" and choices is None:
        refuse(where, "needs choices=[…].")
    asked = QuestionSpec(
        type=type,
        prompt=str(asking.get("prompt", "")),
        choices=() if choices is None else choice_pairs(choices, where),
        multiple=bool(multiple),
        fields=tuple(field_spec(spec, where) for spec in fields or ()),
        form=form,
        metadata=dict(asking.get("metadata") or {}),
        quorum=count(quorum, where, "quorum"),
    )
    if type == "form" and form is None and not asked.fields:
        refuse(where, "fields is empty; give it at least one field.")
    return asked


def choice_pairs(choices: Iterable[Any], where: str) -> tuple[tuple[Any, str], ...]:
    """Choices as (value, label) pairs, given as values or pairs; at least one."""
    if isinstance(choices, str | bytes) or not isinstance(choices, Iterable):
        refuse(where, f"choices takes a list of values or (value, label) pairs, not {choices!r}.")
    pairs: list[tuple[Any, str]] = []
    for choice in choices:
        if isinstance(choice, tuple | list):
            if len(choice) != 2:
                refuse(where, f"choices has {choice!r}, which isn't a (value, label) pair.")
            pairs.append((choice[0], str(choice[1])))
        else:
            pairs.append((choice, str(choice)))
    if not pairs:
        refuse(where, "choices is empty; give it at least one choice.")
    return tuple(pairs)


def field_spec(spec: Any, where: str) -> dict[str, Any]:
    """One field of a form, with all keys: name, type, label, required, choices, help_text."""
    if not isinstance(spec, Mapping):
        refuse(where, f'a field is a dict such as {{"name": "city"}}, not {spec!r}.')
    refuse_unknown(f"{where}: field", [key for key in spec if key not in FIELD_KEYS], FIELD_KEYS)
    name = spec.get("name")
    if not isinstance(name, str) or not name:
        refuse(where, f"the field {dict(spec)!r} has no name.")
    type = spec.get("type", "text")
    if type not in FIELD_TYPES:
        hint = did_you_mean(str(type), FIELD_TYPES)
        refuse(where, f"field {name!r} has the unknown type {type!r}.{hint}")
    required = spec.get("required", True)
    if not isinstance(required, bool):
        refuse(where, f"field {name!r}: required must be True or False, not {required!r}.")
    choices = spec.get("choices")
    if (type == "choice") != bool(choices):
        refuse(where, f'field {name!r}: choices go with type "choice", and the other way round.')
    return {
        "name": name,
        "type": type,
        "label": str(spec.get("label") or name.replace("_", " ").capitalize()),
        "required": required,
        "choices": [list(pair) for pair in choice_pairs(choices, where)] if choices else [],
        "help_text": str(spec.get("help_text", "")),
    }


def _people(where: str, asking: Asking) -> People:
    remind: Any = asking.get("remind")
    if remind is not None and (not isinstance(remind, timedelta) or remind <= timedelta(0)):
        raise TypeError(f"{where}: remind takes a positive timedelta, not {remind!r}.")
    steps: list[tuple[timedelta, Any]] = []
    escalate: Iterable[Any] = asking.get("escalate") or ()
    for step in escalate:
        if not (isinstance(step, tuple | list) and len(step) == 2):
            raise TypeError(f"{where}: escalate takes (timedelta, who) pairs, not {step!r}.")
        if not isinstance(step[0], timedelta):
            raise TypeError(f"{where}: escalate takes a timedelta first, not {step[0]!r}.")
        if step[0] < timedelta(0):
            raise TypeError(f"{where}: escalate goes forward, not {step[0]!r} from the opening.")
        steps.append((step[0], step[1]))
    return People(
        assignees=_specs(asking.get("assignees")),
        exclude=_specs(asking.get("exclude")),
        due=deadline(asking.get("due"), f"{where}: due"),
        remind=remind,
        escalate=tuple(steps),
    )


def _specs(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (value,)
    return tuple(value)


def _name(name: Any, call: str) -> str:
    if not isinstance(name, str) or not name:
        raise TypeError(f"{call} takes a text as name, not {name!r}.")
    return name
