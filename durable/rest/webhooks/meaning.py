"""What a webhook says in the terms of its source: the event's name, its key, and its id."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from durable.engine.start.send import Origin
from durable.errors import DurableError
from durable.rest.base.problems import Unmappable
from durable.rest.webhooks.sources import Source
from durable.rest.webhooks.templates import PlaceMissing, Template
from durable.storage import sizes
from durable.storage.sizes import LONGEST_SCOPE


@dataclass(frozen=True)
class Meaning:
    """The event that a webhook becomes; ``id`` tells one delivery from another."""

    name: str
    key: str | None
    id: str | None
    origin: Origin  # whose it is: what stands before key and id, what it starts carries

    @property
    def stored_key(self) -> str:
        """The key as the event has it."""
        return self.origin.scoped("key", self.key) or ""

    @property
    def stored_id(self) -> str | None:
        """The id as the event has it."""
        return self.origin.scoped("id", self.id)

    @classmethod
    def of(cls, source: Source, payload: Any, headers: Mapping[str, str]) -> Meaning:
        """What the templates of the source find; ``Unmappable`` if one of them finds nothing."""
        said = _Said(source, payload, headers)
        return cls(
            name=said.text("event", source.event),
            key=said.text("key", source.key) if source.key is not None else None,
            id=said.id(),
            origin=said.origin(),
        )

    @classmethod
    def nearest(cls, source: Source, payload: Any, headers: Mapping[str, str]) -> Meaning:
        """For a webhook that fits no template: its name as far as there is one, without a key.

        The name is what the source's template finds, else the scheme's own, else the source's.
        """
        said = _Said(source, payload, headers)
        name, id = source.name, None
        for template in (source.scheme.event, source.event):
            if template is not None:
                with suppress(Unmappable):
                    name = said.text("event", template)
        origin = Origin()
        with suppress(Unmappable):
            id, origin = said.id(), said.origin()
        return cls(name, None, id, origin)


@dataclass(frozen=True)
class _Said:
    """A webhook, and the source that it came from."""

    source: Source
    payload: Any
    headers: Mapping[str, str]

    def text(self, what: str, template: Template, prefix: str = "") -> str:
        """A text that a column can hold; ``Unmappable``."""
        try:
            return sizes.text(what, prefix + template.of(self.payload, self.headers))
        except PlaceMissing as missing:
            raise Unmappable(f"The {what} can't be told: {missing}.") from None
        except DurableError as error:
            raise Unmappable(str(error)) from None

    def id(self) -> str | None:
        """The id of the delivery, within those of its source."""
        if self.source.id is None:
            return None
        return self.text("id", self.source.id, f"{self.source.name}:")

    def origin(self) -> Origin:
        """Whose it is, as far as its source tells tenants apart."""
        scope, tags = self.source.scope, self.source.tags
        text = self.text("scope", scope) if scope is not None else ""
        if len(text) > LONGEST_SCOPE:
            raise Unmappable(f"The scope has more than {LONGEST_SCOPE} characters.")
        return Origin(text, {name: self.text(name, tag) for name, tag in tags.items()})
