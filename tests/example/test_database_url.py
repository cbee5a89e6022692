"""`DATABASE_URL`, in the forms in which hosts give it."""

from __future__ import annotations

from pathlib import Path
from unittest import TestCase

from example_project.database_url import parse


class ParseTests(TestCase):
    """A URL becomes an entry of `DATABASES`."""

    def test_a_server(self) -> None:
        database = parse("postgres://kim:p%40ss@db.example.com:6432/shop?sslmode=require")
        self.assertEqual(
            database,
            {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": "shop",
                "USER": "kim",
                "PASSWORD": "p@ss",
                "HOST": "db.example.com",
                "PORT": "6432",
                "OPTIONS": {"sslmode": "require"},
            },
        )

    def test_a_unix_socket(self) -> None:
        database = parse("postgresql://postgres:@/postgres?host=/run/some%20where")
        self.assertEqual(database["HOST"], "/run/some where")
        self.assertEqual((database["PORT"], database["OPTIONS"]), ("", {}))
        self.assertEqual(parse("postgresql://%2Frun%2Fpg/shop")["HOST"], "/run/pg")

    def test_a_sqlite_file_is_set_up_for_several_writers(self) -> None:
        database = parse("sqlite:////var/lib/shop.db")
        self.assertEqual(database["NAME"], Path("/var/lib/shop.db"))
        self.assertEqual(database["OPTIONS"]["transaction_mode"], "IMMEDIATE")
        self.assertEqual(parse("sqlite:///shop.db")["NAME"], Path("shop.db"))

    def test_any_other_database_is_refused(self) -> None:
        for url in ("mysql://localhost/shop", "shop.db", ""):
            with self.assertRaisesRegex(ValueError, "must begin with postgresql://"):
                parse(url)
