"""Forks workers out of a process that has everything imported: a new one is there at once."""

from __future__ import annotations

import os
import sys
import traceback

import django


def child(path: str, arguments: list[str]) -> int:
    """Be a worker that prints to ``path``; the exit code."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    from django.core.management import execute_from_command_line

    from tests.soak import cuts

    cuts.obey()
    try:
        execute_from_command_line(["manage.py", "durable_worker", *arguments])
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 70
    return 0


def main() -> None:
    """Read a path and arguments a line; say the process id. ``end ID`` says how it ended."""
    django.setup()
    for line in iter(sys.stdin.readline, ""):
        word, *rest = line.split()
        if word == "end":
            ended, status = os.waitpid(int(rest[0]), int(rest[1]))
            said: object = os.waitstatus_to_exitcode(status) if ended else ""
        else:
            said = os.fork()
            if not said:
                code = child(word, rest)
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
