"""Build the Django form of a question, and validate answers with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Model, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from durable import codec
from durable.authoring.parse import registry
from durable.authoring.self.decision import APPROVED, REJECTED
from durable.errors import DefinitionError, FormMissing, InvalidInput, NotSerializable
from durable.models import Wait
from durable.people.question import Question
from durable.states import WaitStatus

#: What Django's fields raise for values of unexpected types (a number for a date as text).
UNFORESEEN = (AttributeError, TypeError, ValueError, ArithmeticError, RecursionError)

#: The name of the form's only field, for questions whose answer is one value.
ANSWER = "answer"

INVALID = _("Enter a valid value.")
UNKNOWN = _("There is no such field.")
NO_FIELDS = _("Answer with an object that has a value for each field.")


def validate(question: Question, answer: Any, workflow: type | None = None) -> Any:
    """The validated answer, as the step receives it; ``InvalidInput`` has each field's messages.

    Takes typed values (JSON, Python) as well as the texts of an HTML form. Choices match by value
    and JSON type, or else by their text. In the result a number is a ``Decimal``, a model instance
    (of a ``ModelChoiceField``) its primary key, a queryset the list of primary keys.
    """
    if question.is_form:
        if not isinstance(answer, Mapping):
            raise InvalidInput({NON_FIELD_ERRORS: [str(NO_FIELDS)]})
        return _cleaned(build_form(question, workflow, answer))
    if question.is_approval and isinstance(answer, bool):
        answer = APPROVED if answer else REJECTED
    try:
        return _cleaned(build_form(question, workflow, {ANSWER: answer}))[ANSWER]
    except InvalidInput as error:
        raise InvalidInput({NON_FIELD_ERRORS: error.errors[ANSWER]}) from None


def build_form(
    question: Question, workflow: type | None = None, data: Mapping[str, Any] | None = None
) -> forms.BaseForm:
    """The Django form of a question; one field named ``ANSWER`` if the answer is one value."""
    if question.form:
        return _named_form(question.form, workflow)(data=data)
    form = forms.Form(data=data)
    if question.is_form:
        for spec in question.fields:
            form.fields[spec["name"]] = _field(
                spec.get("type", "text"),
                spec.get("choices") or (),
                label=spec.get("label") or None,
                help_text=spec.get("help_text", ""),
                required=spec.get("required", True),
            )
    else:
        form.fields[ANSWER] = _field(
            question.type,
            question.choices,
            multiple=question.multiple,
            label=question.prompt or None,
            required=bool(question.metadata.get("required", True)),
        )
    return form


def form_of(wait: Wait, data: Mapping[str, Any] | None = None) -> forms.BaseForm:
    """The Django form of a wait's question; ``FormMissing`` if this process lacks it."""
    if why := missing(wait):
        raise FormMissing(why)
    return build_form(Question.of(wait), _workflow_of(wait), data)


def validate_for(wait: Wait, answer: Any) -> Any:
    """``validate`` for the question of a wait; ``FormMissing`` before the answer is looked at."""
    if why := missing(wait):
        raise FormMissing(why)
    return validate(Question.of(wait), answer, _workflow_of(wait))


def missing(wait: Wait) -> str:
    """Why this process can neither show nor check an open question; empty if it can."""
    question, asking = Question.of(wait), wait.execution
    if not question.type or wait.status != WaitStatus.OPEN:
        return ""
    asked = {question.type, *(spec.get("type", "text") for spec in question.fields)}
    if unknown := asked - _FIELDS.keys() - {"approval", "choice", "form"}:
        return (
            f"the question {wait.name!r} is of the type {', '.join(map(repr, sorted(unknown)))}, "
            "which this version of durable does not know. The question stays open: deploy a newer "
            "version, then answer it."
        )
    if not question.form or question.form in _forms_of(_workflow_of(wait)):
        return ""
    kind = f"{asking.workflow} version {asking.version}"
    why = registry.lacks(asking.workflow, asking.version) or f"the forms of {kind} lack it"
    return (
        f"the question {wait.name!r} needs the form {question.form!r}, which this process does not "
        f"have: {why}. The question stays open: deploy code in which {kind} has this form (an old "
        "version beside the new one), then answer it."
    )


def _workflow_of(wait: Wait) -> type[Any] | None:
    """The workflow class of the asking execution, or ``None`` if this process lacks it."""
    return registry.get(wait.execution.workflow, wait.execution.version)


def _named_form(name: str, workflow: type | None) -> type[forms.BaseForm]:
    found: type[forms.BaseForm] | None = _forms_of(workflow).get(name)
    if found is None:
        owner = workflow.__qualname__ if workflow is not None else "the workflow"
        raise FormMissing(f"a question asks for the form {name!r}, which {owner}.forms lacks")
    return found


def _forms_of(workflow: type | None) -> Mapping[str, Any]:
    found: Mapping[str, Any] = getattr(workflow, "forms", {})
    return found


# -- cleaning ------------------------------------------------------------------------------------


def _cleaned(form: forms.BaseForm) -> dict[str, Any]:
    errors = _unknown(form)
    try:
        form.full_clean()
    except UNFORESEEN:
        choking = _choking(form)
        if not choking:  # the fault is in the form's own code
            raise
        raise InvalidInput(errors | choking) from None
    for name, messages in form.errors.items():
        errors[name] = [*errors.get(name, []), *map(_printable, messages)]
    cleaned = {} if errors else {k: _storable(v) for k, v in form.cleaned_data.items()}
    for name, value in cleaned.items():
        try:
            cleaned[name] = codec.loads(codec.dumps(value, path=name))
        except NotSerializable as error:
            errors[name] = [_printable(error)]
    if errors:
        raise InvalidInput(errors)
    return cleaned


def _unknown(form: forms.BaseForm) -> dict[str, list[str]]:
    """Messages for values without a field; an HTML form may send others, which are ignored."""
    if isinstance(form.data, QueryDict):
        return {}
    names = {form.add_prefix(name) for name in form.fields}
    parts = tuple(f"{name}_" for name in names)  # of widgets made of several inputs
    return {
        _printable(key): [str(UNKNOWN)]
        for key in form.data
        if key not in names and not str(key).startswith(parts)
    }


def _choking(form: forms.BaseForm) -> dict[str, list[str]]:
    """Messages for the fields whose cleaning crashes on their value."""
    errors = {}
    for name, field in form.fields.items():
        try:
            field.clean(form[name].data)
        except ValidationError:
            continue
        except UNFORESEEN:
            errors[name] = [str(INVALID)]
    return errors


def _storable(value: Any) -> Any:
    if isinstance(value, Model):
        return value.pk
    if isinstance(value, QuerySet):
        return [_storable(item) for item in value]
    return value


def _printable(value: Any) -> str:
    """A text that every door can show and every database can store, for any input."""
    return str(value).replace("\0", "\\0").encode(errors="backslashreplace").decode()


# -- fields: strict about JSON types, but they also take the texts of an HTML form ---------------


class _Strict(forms.Field):
    """Refuses values of types that Django's field would convert to text or crash on."""

    takes: tuple[type, ...] = (str,)

    def to_python(self, value: Any) -> Any:
        wrong = isinstance(value, bool) or not isinstance(value, self.takes)
        if wrong and value not in self.empty_values:
            raise ValidationError(INVALID, code="invalid")
        return super().to_python(value)


class TextField(_Strict, forms.CharField):
    """A text that is not empty."""


class EmailField(_Strict, forms.EmailField):
    """An email address."""


class NumberField(_Strict, forms.DecimalField):
    """A ``Decimal``."""

    takes = (str, int, float, Decimal)


class IntegerField(_Strict, forms.IntegerField):
    """An ``int``."""

    takes = (str, int, float, Decimal)


class DateField(_Strict, forms.DateField):
    """A ``date``."""

    takes = (str, date)
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class DateTimeField(_Strict, forms.DateTimeField):
    """An aware ``datetime``; without an offset, in the current time zone."""

    takes = (str, date)
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class BooleanField(forms.Field):
    """Yes or no; if required, one of them must be chosen."""

    words = {"true": True, "on": True, "yes": True, "1": True}
    words |= {"false": False, "off": False, "no": False, "0": False}
    widget = forms.Select(choices=[("", "---------"), ("true", _("Yes")), ("false", _("No"))])

    def to_python(self, value: Any) -> bool | None:
        if isinstance(value, bool):
            return value
        if value in self.empty_values:
            return None
        said = self.words.get(value.strip().lower()) if isinstance(value, str) else None
        if said is None:
            raise ValidationError(INVALID, code="invalid")
        return said


class ChoiceField(forms.ChoiceField):
    """One of several values: by value and JSON type, or by a text that only one of them has."""

    def __init__(self, pairs: Sequence[Sequence[Any]], **options: Any) -> None:
        self.values = [value for value, _label in pairs]
        blank = [] if options.get("required", True) else [("", "---------")]
        super().__init__(choices=[*blank, *((_text(v), label) for v, label in pairs)], **options)

    def clean(self, value: Any) -> Any:
        for choice in self.values:
            if _json_type(choice) is _json_type(value) and choice == value:
                return choice
        if isinstance(value, str):
            alike = [choice for choice in self.values if value in (_text(choice), str(choice))]
            if len(alike) == 1:
                return alike[0]
        if value in self.empty_values:
            self.validate(value)
            return None
        raise ValidationError(_("Select one of the available choices."), code="invalid_choice")


class MultipleChoiceField(ChoiceField):
    """Several of the values, each once."""

    widget = forms.SelectMultiple

    def clean(self, value: Any) -> Any:
        if value in self.empty_values:
            self.validate(value)
            return []
        if not isinstance(value, list | tuple):
            raise ValidationError(_("Enter a list of values."), code="invalid_list")
        chosen: list[Any] = []
        for item in value:
            choice = super().clean(item)
            if any(choice is other for other in chosen):
                raise ValidationError(_("Select each choice only once."), code="duplicate")
            chosen.append(choice)
        return chosen


def _json_type(value: Any) -> type:
    for kinds in (bool, str, (int, float, Decimal)):
        if isinstance(value, kinds):
            return kinds if isinstance(kinds, type) else float
    return type(value)


def _text(value: Any) -> str:
    """The text of a choice, as a door offers it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


_FIELDS: dict[str, type[forms.Field]] = {
    "text": TextField,
    "email": EmailField,
    "number": NumberField,
    "integer": IntegerField,
    "boolean": BooleanField,
    "date": DateField,
    "datetime": DateTimeField,
}


def _field(
    kind: str, pairs: Sequence[Any], *, multiple: bool = False, **options: Any
) -> forms.Field:
    if kind == "approval":
        pairs = [[APPROVED, _("Approved")], [REJECTED, _("Rejected")]]
    if kind in ("approval", "choice"):
        return (MultipleChoiceField if multiple else ChoiceField)(pairs, **options)
    if kind not in _FIELDS:
        raise DefinitionError(f"a question of type {kind!r} is unknown")
    return _FIELDS[kind](**options)
