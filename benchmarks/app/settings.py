"""The settings of the benchmarks: the database of ``DATABASE_URL``, ``durable`` and two tables."""

from __future__ import annotations

import os

from example_project import database_url

_database = database_url.parse(os.environ["DATABASE_URL"])
_database.setdefault("TEST", {"NAME": f"bench_durable_{os.getpid()}"})
if name := os.environ.get("BENCHMARK_NAME"):
    _database["NAME"] = name

DATABASES = {"default": _database}
SECRET_KEY = "for-benchmarks-only"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "durable",
    "benchmarks.app",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
# Default settings, as a user has them; the scenario that kills a worker shortens its lease.
DURABLE = {"LEASE": int(os.environ.get("BENCHMARK_LEASE", "60"))}
