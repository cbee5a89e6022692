"""Run the demo; exit with 0 only if all of it ended as it should."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from example_project.demo.place import ENVIRONMENT, WORKER_LOG, make_anew
from example_project.demo.worker import DemoFailed, end_all


def main() -> int:
    """Run the demo; whatever happens, no process is left behind."""
    os.environ.update(ENVIRONMENT)
    signal.signal(signal.SIGTERM, _leave)
    try:
        make_anew()
        from example_project.demo.play import Play  # needs Django to be set up

        return Play().run()
    except DemoFailed as failed:
        print(f"FAIL  {failed}", file=sys.stderr)
        if WORKER_LOG.exists():
            print(WORKER_LOG.read_text(errors="replace")[-4000:], file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        end_all()


def _leave(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
