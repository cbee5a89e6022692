"""The settings of the example: a SQLite file, or what ``DATABASE_URL`` names."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from example_project import database_url

HERE = Path(__file__).resolve().parent

DEBUG = os.environ.get("DEBUG", "1") == "1"
SECRET_KEY = os.environ.get("SECRET_KEY", "for-development-only")
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")

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

ROOT_URLCONF = "example_project.urls"

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

if url := os.environ.get("DATABASE_URL"):
    DATABASES = {"default": database_url.parse(url)}
else:
    DATABASES = {"default": database_url.sqlite(HERE / "db.sqlite3")}

# base64 of "for-development-only"
DEVELOPMENT_SECRET = "whsec_Zm9yLWRldmVsb3BtZW50LW9ubHk="  # nosec B105

DURABLE = {
    "QUEUES": {"default": {"concurrency": 10}},
    "LEASE": float(os.environ.get("DURABLE_LEASE", "60")),  # seconds
    "WEBHOOKS": {
        # What the payment provider sends reaches whoever waits for the order it names.
        "payments": {
            "scheme": "standard",
            "secrets": [os.environ.get("PAYMENTS_SECRET", DEVELOPMENT_SECRET)],
            "event": "type",
            "key": "data.order_id",
        },
    },
}

# How long a day of the example takes, and an answer of another company; and the directory in
# which the demo notes that one of them is out of order.
EXAMPLE_DAY = timedelta(seconds=float(os.environ.get("EXAMPLE_DAY", "86400")))
EXAMPLE_LATENCY = timedelta(seconds=float(os.environ.get("EXAMPLE_LATENCY", "0")))
EXAMPLE_OUTAGES = Path(found) if (found := os.environ.get("EXAMPLE_OUTAGES")) else None

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = HERE.parent / ".cache" / "static"

if not DEBUG:
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
