"""The settings of the benchmarks: the database of ``DATABASE_URL``, nothing but ``durable``."""

from __future__ import annotations

import os

from example_project import database_url

_database = database_url.parse(os.environ["DATABASE_URL"])
_database["TEST"] = {"NAME": f"bench_durable_{os.getpid()}"}
if name := os.environ.get("BENCHMARK_NAME"):
    _database["NAME"] = name

DATABASES = {"default": _database}
SECRET_KEY = "for-benchmarks-only"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "durable"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
