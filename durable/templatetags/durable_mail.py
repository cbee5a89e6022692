"""The filter of the mails, and of the page that a link in one opens."""

from __future__ import annotations

from datetime import datetime

from django import template

from durable.showing import times

register = template.Library()


@register.filter
def in_mail(value: datetime | None) -> str:
    """A moment with its zone; nothing for none."""
    return times.in_mail(value) if value else ""
