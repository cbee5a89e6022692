"""What the stylesheets promise wherever the admin does not bring its own colours."""

from __future__ import annotations

import re
from pathlib import Path

import durable

STATIC = Path(durable.__file__).parent / "static" / "durable"

#: a colour of the admin, with one to take where there is none
FALLBACK = re.compile(r"var\((--[\w-]+), (#[0-9a-f]+)\)")

#: white letters on a dark button, by day and by night
BUTTONS = {
    ("--button-fg", "#fff"),
    ("--delete-button-bg", "#ba2121"),
    ("--delete-button-hover-bg", "#a41515"),
}


def test_without_the_colours_of_the_stock_admin_light_and_dark_are_followed() -> None:
    for name in ("dashboard.css", "inputs.css"):
        alike = set(FALLBACK.findall((STATIC / name).read_text())) - BUTTONS
        assert not alike, f"{name}: the same by day and by night, for example under another theme"
