"""The settings of a child process: those of the suite, its parent's database, its own ``DURABLE``."""

from __future__ import annotations

import json
import os

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as APPS

INSTALLED_APPS = [*APPS, "tests.crash"]
DURABLE = json.loads(os.environ.get("DURABLE_TEST_SETTINGS", "{}"))
