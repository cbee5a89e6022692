"""Map a webhook to an event by its source's templates: the event's name, key, id and scope."""

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
    origin: Origin  # the tenant's scope before key and id, and the tags of started executions

    @property
    def stored_key(self) -> str:
        """The event's key, with the scope before it."""
        return self.origin.scoped("key", self.key) or ""

    @property
    def stored_id(self) -> str | None:
        """The event's id, with the scope before it."""
        return self.origin.scoped("id", self.id)

    @classmethod
    def of(cls, source: Source, payload: Any, headers: Mapping[str, str]) -> Meaning:
        """Fill the source's templates; raises ``Unmappable`` if one of them finds nothing."""
        said = _Said(source, payload, headers)
        return cls(
            name=said.text("event", source.event),
            key=said.text("key", source.key) if source.key is not None else None,
            id=said.id(),
            origin=said.origin(),
        )

    @classmethod
    def nearest(cls, source: Source, payload: Any, headers: Mapping[str, str]) -> Meaning:
        """For a webhook that does not fit the templates: its name, without a key.

        The name is the one found by the source's template, else by the scheme's, else the source's.
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
    """A webhook with the source it came from."""

    source: Source
    payload: Any
    headers: Mapping[str, str]

    def text(self, what: str, template: Template, prefix: str = "") -> str:
        """The filled template, if it fits into a column; raises ``Unmappable``."""
        try:
            return sizes.text(what, prefix + template.of(self.payload, self.headers))
        except PlaceMissing as missing:
            raise Unmappable(f"The {what} can't be told: {missing}.") from None
        except DurableError as error:
            raise Unmappable(str(error)) from None

    def id(self) -> str | None:
        """The id of the delivery, with the name of the source before it."""
        if self.source.id is None:
            return None
        return self.text("id", self.source.id, f"{self.source.name}:")

    def origin(self) -> Origin:
        """The scope and tags of the webhook's tenant, by the source's templates."""
        scope, tags = self.source.scope, self.source.tags
        text = self.text("scope", scope) if scope is not None else ""
        if len(text) > LONGEST_SCOPE:
            raise Unmappable(f"The scope has more than {LONGEST_SCOPE} characters.")
        return Origin(text, {name: self.text(name, tag) for name, tag in tags.items()})
