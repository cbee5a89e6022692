"""The settings of a child process: those of the suite, with a ``DURABLE`` of its own."""

from __future__ import annotations

import json
import os

from tests.settings import *  # noqa: F403

#: only what a worker needs, so that a child starts fast
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "durable",
    "tests.shop",
    "tests.crash",
    *filter(None, os.environ.get("DURABLE_TEST_APPS", "").split(",")),
]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "tests.crash.urls"
DURABLE = json.loads(os.environ.get("DURABLE_TEST_SETTINGS", "{}"))
