"""A cache that refuses what memcached refuses."""

from __future__ import annotations

from typing import Any

from django.core.cache.backends.base import InvalidCacheKey, memcache_key_warnings
from django.core.cache.backends.locmem import LocMemCache


class StrictCache(LocMemCache):
    """Keys of at most 250 characters, without blanks and control characters."""

    def validate_key(self, key: Any) -> None:
        for warning in memcache_key_warnings(key):
            raise InvalidCacheKey(warning)
