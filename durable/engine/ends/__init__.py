"""How executions stop running: checkpoint, release, end, and pass turns on.

May import: row and storage.
"""
