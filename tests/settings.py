"""The settings of the suite; ``DURABLE_TEST_DB`` chooses the database: ``sqlite`` or ``postgres``.

What is read from the environment is also left there, so that a process started by a test finds
the same server and the same run:

* ``DATABASE_URL``: a PostgreSQL server for ``postgres``; without it an embedded one is started.
* ``DURABLE_TEST_RUN``: the word in the names of the test databases; without it this process's
  id, so that two runs in one checkout leave each other alone.
* ``DURABLE_TEST_NAME``: the name of a database that exists, for a child process that works in
  the test database of its parent.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from example_project import database_url

CACHE = Path(__file__).resolve().parent.parent / ".cache"
RUN = os.environ.setdefault("DURABLE_TEST_RUN", str(os.getpid()))


def _database() -> dict[str, Any]:
    chosen = os.environ.get("DURABLE_TEST_DB", "sqlite")
    if chosen == "sqlite":
        directory = CACHE / "sqlite"
        directory.mkdir(parents=True, exist_ok=True)
        database = database_url.sqlite(directory / "default.sqlite3")
        # A file, not memory: second connections, threads and processes see it.
        database["TEST"] = {"NAME": str(directory / f"test-{RUN}.sqlite3")}
    elif chosen == "postgres":
        if "DATABASE_URL" not in os.environ:
            from tests import postgres

            os.environ["DATABASE_URL"] = postgres.ensure()
        database = database_url.parse(os.environ["DATABASE_URL"])
        database["TEST"] = {"NAME": f"test_durable_{RUN}"}
    else:
        raise ValueError(f"DURABLE_TEST_DB is 'sqlite' or 'postgres', not {chosen!r}")
    if name := os.environ.get("DURABLE_TEST_NAME"):
        database["NAME"] = name
    return database


DATABASES = {"default": _database()}

SECRET_KEY = "for-tests-only"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "durable",
    "example_project.shop",
    "tests.shop",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

ROOT_URLCONF = "tests.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
# Django 6.1 wants its mailers named; earlier ones know nothing of it.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
