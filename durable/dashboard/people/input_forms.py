"""The forms of a question's pages: the answer, the comment, the new assignees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.forms.utils import ErrorDict
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from durable.dashboard.shared.base import as_typed
from durable.errors import DefinitionError, NotAllowed
from durable.models import Wait
from durable.people import who
from durable.people.form import (
    ANSWER,
    UNFORESEEN,
    ChoiceField,
    MultipleChoiceField,
    TextField,
    form_of,
)
from durable.people.question import Question
from durable.people.reach import named
from durable.showing.characters import visible, visible_line
from durable.showing.masking import Masking

#: The names of our own form fields: no field of a question begins with an underscore.
COMMENT, DECISION = "_comment", "_decision"
OURS = (COMMENT, DECISION, "csrfmiddlewaretoken")

RADIO_UP_TO = 8  # choices; more of them become a list
LISTED = 200  # users or groups in a list; if there are more, their names are typed


# -- the answer ------------------------------------------------------------------------------------


def answer_of(wait: Wait, posted: QueryDict) -> Any:
    """The posted answer, as ``inputs.answer`` takes it."""
    question = Question.of(wait)
    if question.is_approval:
        return posted.get(DECISION, "")
    if question.is_form:
        return _without_ours(posted)
    if question.multiple:
        return posted.getlist(ANSWER)
    return as_typed(posted.get(ANSWER, ""))


def answer_form(
    wait: Wait,
    masking: Masking,
    posted: QueryDict | None = None,
    errors: Mapping[str, Sequence[str]] | None = None,
) -> forms.BaseForm | None:
    """The form of the answer, with posted values and errors if given; None for approvals."""
    question = Question.of(wait)
    if question.is_approval:
        return None
    form = form_of(wait, _without_ours(posted) if posted is not None else None)
    for name, field in form.fields.items():
        _comfortable(field, alone=name == ANSWER)
        _legible(field, masking)
    if errors is not None:
        single = ANSWER in form.fields and not question.is_form
        # set beforehand: rendering must not clean again the values that the engine has refused
        form._errors = ErrorDict(  # type: ignore[attr-defined]
            {
                (ANSWER if single and name == NON_FIELD_ERRORS else name): form.error_class(found)
                for name, found in errors.items()
            }
        )
        _describe(form)
        _without_what_cannot_be_shown(form)
    return form


def _without_what_cannot_be_shown(form: forms.BaseForm) -> None:
    """Empty each wrong field whose widget cannot show the posted value."""
    for name in form.errors.keys() & form.fields.keys():
        try:
            form[name].value()
        except UNFORESEEN:
            posted: Any = form.data
            kept = posted.copy()
            del kept[form[name].html_name]
            form.data = kept


def _describe(form: forms.BaseForm) -> None:
    """Name a field's error in ``aria-describedby``: screen readers read it with the field."""
    for name in form.errors:
        if name in form.fields and (id := form[name].auto_id):
            hint = f" {id}_helptext" if form.fields[name].help_text else ""
            form.fields[name].widget.attrs["aria-describedby"] = f"{id}_error{hint}"


def _without_ours(posted: QueryDict) -> QueryDict:
    kept = posted.copy()
    for name in OURS:
        kept.pop(name, None)
    for name, texts in list(kept.lists()):
        kept.setlist(name, [as_typed(text) for text in texts])
    return kept


def _comfortable(field: forms.Field, *, alone: bool) -> None:
    """Few choices become buttons, none of them preselected; a single text gets three rows."""
    if isinstance(field, MultipleChoiceField):
        if len(field.values) <= RADIO_UP_TO:
            _widget(field, forms.CheckboxSelectMultiple())
    elif isinstance(field, ChoiceField):
        if len(field.values) <= RADIO_UP_TO and field.required:
            _widget(field, forms.RadioSelect())
        elif field.required:
            choices: Any = field.choices
            field.widget.choices = [("", "---------"), *choices]
    elif alone and type(field) is TextField:
        _widget(field, forms.Textarea(attrs={"rows": 3}))


def _legible(field: forms.Field, masking: Masking) -> None:
    """Mask secrets and show hidden characters in a field's label, help text and choices.

    The values of the choices are not changed.
    """
    field.label = None if field.label is None else visible_line(masking.text(str(field.label)))
    field.help_text = visible(masking.text(str(field.help_text))) if field.help_text else ""
    if isinstance(field, ChoiceField):
        widget: Any = field.widget
        widget.choices = [
            (value, visible_line(masking.text(str(label)))) for value, label in widget.choices
        ]


def _widget(field: forms.Field, widget: forms.Widget) -> None:
    widget.is_required = field.required
    if isinstance(field, forms.ChoiceField):
        widget.choices = field.widget.choices  # type: ignore[attr-defined]
    field.widget = widget


class CommentForm(forms.Form):
    """The comment to a decision."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[COMMENT] = forms.CharField(
            label=_("Comment"),
            required=False,
            widget=forms.Textarea(attrs={"rows": 2}),
            help_text=_("Kept with the decision, for everybody who may see it."),
        )


# -- other assignees -------------------------------------------------------------------------------


class ReassignForm(forms.Form):
    """The new assignees of a question: chosen from lists, or typed as texts."""

    users = forms.MultipleChoiceField(label=_("Users"), required=False)
    groups = forms.MultipleChoiceField(label=_("Groups"), required=False)
    others = forms.CharField(
        label=_("Others"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("One a line: user:kim, group:finance or perm:shop.approve."),
    )

    def __init__(self, wait: Wait, data: Any = None, *, by: Any) -> None:
        super().__init__(data)
        self._wait, self._by = wait, by
        lists = {
            "user": ("users", [user.get_username() for user in named.users(by)]),
            "group": ("groups", named.groups(by)),
        }
        others = list(wait.assignees)
        for kind, (field, known) in lists.items():
            if len(known) > LISTED:  # too many for a list: their names are typed
                del self.fields[field]
                continue
            chosen = [name for name in known if f"{kind}:{name}" in wait.assignees]
            others = [spec for spec in others if spec not in {f"{kind}:{one}" for one in chosen}]
            self.fields[field].choices = [(name, visible_line(name)) for name in known]  # type: ignore[attr-defined]
            self.initial[field] = chosen
        self.initial["others"] = "\n".join(others)

    def clean_others(self) -> list[str]:
        """The typed assignees; refused if a text names no user, group or permission."""
        lines = [line.strip() for line in self.cleaned_data["others"].splitlines()]
        try:
            specs = who.normalise([line for line in lines if line])
        except DefinitionError as error:
            raise forms.ValidationError(str(error)) from None
        return specs

    def clean(self) -> dict[str, Any]:
        """At least one assignee, and none who is excluded."""
        cleaned = self.cleaned_data
        to = [
            *(f"user:{name}" for name in cleaned.get("users", ())),
            *(f"group:{name}" for name in cleaned.get("groups", ())),
            *cleaned.get("others", ()),
        ]
        cleaned["to"] = list(dict.fromkeys(to))
        if not cleaned["to"] and not self.errors:
            raise forms.ValidationError(_("Say who is to answer."))
        try:
            named.refuse_wrong(self._wait, cleaned["to"], by=self._by)
        except (DefinitionError, NotAllowed) as refusal:
            raise forms.ValidationError(str(refusal)) from None
        return cleaned
