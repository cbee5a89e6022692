"""A worker answers no requests."""

from __future__ import annotations

urlpatterns: list[object] = []
