"""The filter that writes times in mails and on the pages behind their links."""

from __future__ import annotations

from datetime import datetime

from django import template

from durable.showing import times

register = template.Library()


@register.filter
def in_mail(value: datetime | None) -> str:
    """A time with its zone; empty for none."""
    return times.in_mail(value) if value else ""
