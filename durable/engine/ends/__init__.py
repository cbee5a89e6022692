"""How executions come to rest or end, and hand on: what every floor above stands on.

May import: row and storage.
"""
