"""``Question``: a question to people as one typed value, with the rule of who may answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

from durable.authoring.self.context import People, QuestionSpec
from durable.models import Wait
from durable.people import who
from durable.people.who import ASSIGNEES, ESCALATE, EXCLUDE, Ids, is_active, matches


@dataclass(frozen=True)
class Question(QuestionSpec):
    """The text, type and people of a question. Without a type, the wait is not for people.

    ``stored`` writes the column ``Wait.question``, ``of`` reads it; keys missing in older rows get
    defaults. ``assignees`` and ``exclude`` have columns of their own, as they can change.
    """

    escalate: tuple[tuple[timedelta, str], ...] = ()  # people added so long after the opening
    remind: timedelta | None = None
    assignees: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    ids: Mapping[str, Ids] = field(default_factory=dict)  # of the people, by their role

    @classmethod
    def asked(cls, spec: QuestionSpec, people: People) -> Self:
        """The question that a step asks; ``DefinitionError`` for people that can't exist."""
        later = [(after, who.named_people(more)) for after, more in people.escalate]
        assignees, exclude = who.named_people(people.assignees), who.named_people(people.exclude)
        added = {spec: ids for _, some in later for spec, ids in some.ids.items()}
        return cls(
            **vars(spec),
            escalate=tuple((after, one) for after, some in later for one in some.specs),
            remind=people.remind,
            assignees=tuple(assignees.specs),
            exclude=tuple(exclude.specs),
            ids={ASSIGNEES: assignees.ids, EXCLUDE: exclude.ids, ESCALATE: added},
        )

    @classmethod
    def of(cls, wait: Wait) -> Self:
        """The question of a wait; without a type if the wait is not for people."""
        row: Mapping[str, Any] = wait.question or {}
        remind = row.get("remind")
        escalate = ((timedelta(seconds=s), spec) for s, spec in row.get("escalate") or ())
        return cls(
            row.get("type") or "",
            prompt=str(row.get("prompt") or ""),
            choices=tuple((value, label) for value, label in row.get("choices") or ()),
            multiple=bool(row.get("multiple")),
            fields=tuple(row.get("fields") or ()),
            form=row.get("form") or None,
            metadata=row.get("metadata") or {},
            quorum=row.get("quorum") or 1,
            escalate=tuple(escalate),
            remind=timedelta(seconds=remind) if remind else None,
            assignees=tuple(wait.assignees),
            exclude=tuple(wait.exclude),
            ids=wait.people or {},
        )

    def stored(self) -> dict[str, Any]:
        """The question as JSON, without the people in columns of their own."""
        return {
            "type": self.type,
            "prompt": self.prompt,
            "choices": [list(pair) for pair in self.choices],
            "multiple": self.multiple,
            "fields": [dict(spec) for spec in self.fields],
            "form": self.form,
            "metadata": dict(self.metadata),
            "quorum": self.quorum,
            "escalate": [[after.total_seconds(), spec] for after, spec in self.escalate],
            "remind": self.remind.total_seconds() if self.remind is not None else None,
        }

    def people(self) -> dict[str, Any] | None:
        """The ids of the people named, by role (column ``Wait.people``); ``None`` without any."""
        added = [spec for _, spec in self.escalate]
        roles = {ASSIGNEES: self.assignees, EXCLUDE: self.exclude, ESCALATE: added}
        return (who.ids_of(roles, self.ids) if any(roles.values()) else None) or None

    @property
    def is_approval(self) -> bool:
        """Whether the answer is ``approved`` or ``rejected``."""
        return self.type == "approval"

    @property
    def is_form(self) -> bool:
        """Whether an answer has several fields."""
        return self.type == "form"

    # -- who may answer ----------------------------------------------------------------------

    def escalations(self) -> list[timedelta]:
        """The delays of the escalations after the opening: each once, in order."""
        return sorted({after for after, _ in self.escalate})

    def added(self, open_for: timedelta) -> list[str]:
        """The people that escalation has added to the assignees after ``open_for``."""
        return list(dict.fromkeys(spec for after, spec in self.escalate if after <= open_for))

    def excludes(self, user: Any, groups: Mapping[str, str] | None = None) -> bool:
        """Whether the user is excluded from answering; names match in any letter case."""
        return matches(user, self.exclude, groups, self.ids.get(EXCLUDE), any_case=True)

    def adds(self, user: Any, open_for: timedelta, groups: Mapping[str, str] | None = None) -> bool:
        """Whether escalation has added the user after ``open_for``."""
        return matches(user, self.added(open_for), groups, self.ids.get(ESCALATE))

    def why_not(
        self, user: Any, open_for: timedelta, groups: Mapping[str, str] | None = None
    ) -> str | None:
        """Why the user may not answer; ``None`` if they may. Django's permissions aside.

        Without assignees, all but the excluded may answer. Escalation adds people to the
        assignees, never to the excluded. ``groups`` are the user's, if already read.
        """
        if not is_active(user):
            return "the account is not active"
        if self.exclude and self.excludes(user, groups):
            return f"excluded from this question are {', '.join(self.exclude)}"
        if not self.assignees or self.adds(user, open_for, groups):
            return None
        if matches(user, self.assignees, groups, self.ids.get(ASSIGNEES)):
            return None
        asked = dict.fromkeys([*self.assignees, *self.added(open_for)])
        return f"it is for {', '.join(asked)}"
