"""Tags are found by an index that can look into them, where the database has one."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import TestCase


@pytest.mark.only_on("postgresql")
class TagIndexTests(TestCase):
    """The index is there without Django's app for PostgreSQL."""

    def test_tags_have_an_inverted_index(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'durable_exec_tags'")
            (definition,) = cursor.fetchone()
        self.assertIn("USING gin (tags jsonb_path_ops)", definition)
