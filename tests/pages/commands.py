"""The reference of the commands, as their parsers tell it.

``DJANGO_SETTINGS_MODULE=tests.settings python -m tests.pages.commands`` writes the page.
"""

from __future__ import annotations

from argparse import Action, ArgumentParser
from collections.abc import Iterator

from django.core.management import get_commands, load_command_class

from tests.typing.readme import ROOT

PAGE = ROOT / "docs" / "reference" / "commands.md"

HEAD = """# Commands

`python manage.py <command> --help` says the same. For all commands:

- **Ids**: an execution's id, or its beginning (4 characters or more). A beginning of
  several ids is refused, with some of the ids. Branches and items are found by their full id only.
- **Who acts**: the program itself, which may do everything; or with `--by USERNAME` this user, with
  their permissions, narrowed by the policies of `API_PERMISSIONS` as at any other door:
  `durable_inspect` leaves out events, entries of the audit trail and children that the user may not
  see, and `durable_list` refuses a tag whose value is masked for the user. Each change is in the
  audit trail, with the name and `command <account>@<machine>`.
- **Answers** go to standard output: an id, a table, or with `--json` one JSON document with stable
  keys (times in ISO 8601; time spans in seconds, but ISO 8601 within your data, as over REST).
  Other messages go to standard error.
- **Exit codes**: 0, or 1 with `CommandError: …`; 2 for arguments that make no sense; 130 when
  `durable_run --wait` is interrupted; 75 when a worker asks to be started anew.
- **Secrets**: values of keys that look secret (`MASK`) are hidden without `--show-secrets`.
- **Colours** only on a terminal; not with `--no-color`, nor with `NO_COLOR` in the environment.

JSON may come from standard input: write `-`.
"""

#: what Django gives to each command
DJANGOS = {
    "help",
    "version",
    "verbosity",
    "settings",
    "pythonpath",
    "traceback",
    "no_color",
    "force_color",
    "skip_checks",
}
EVERYWHERE = {"json", "by"}


def names() -> list[str]:
    """The commands, by name."""
    return sorted(name for name, app in get_commands().items() if app == "durable")


def parser_of(name: str) -> ArgumentParser:
    """What reads the arguments of a command."""
    parser: ArgumentParser = load_command_class("durable", name).create_parser("manage.py", name)
    return parser


def actions(name: str) -> list[Action]:
    """The arguments and options of a command that are its own."""
    return [action for action in parser_of(name)._actions if action.dest not in DJANGOS]


def text() -> str:
    """The page."""
    return "\n".join([HEAD, *(line for name in names() for line in _section(name))])


def _section(name: str) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield str(parser_of(name).description)
    yield ""
    own = actions(name)
    listed = [action for action in own if action.dest not in EVERYWHERE]
    if listed:
        yield "| Argument | |"
        yield "|---|---|"
        for action in listed:
            yield f"| `{_shown(action)}` | {str(action.help).replace('|', chr(92) + '|')} |"
        yield ""
    also = [f"`{_shown(action)}`" for action in own if action.dest in EVERYWHERE]
    yield f"Also {' and '.join(also)}."
    yield ""


def _shown(action: Action) -> str:
    """How an argument is written."""
    value = action.metavar or (
        ", ".join(map(str, action.choices)) if action.choices else action.dest.upper()
    )
    if not action.option_strings:
        name = str(action.metavar or action.dest)
        many = {"+": f"{name} …", "?": f"[{name}]", "*": f"[{name} …]"}
        return many.get(str(action.nargs), name)
    options = ", ".join(action.option_strings)
    return options if action.nargs == 0 else f"{options} {value}"


if __name__ == "__main__":
    import django

    django.setup()
    PAGE.write_text(text(), encoding="utf-8")
