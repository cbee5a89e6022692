"""How executions and their values are shown, whatever the door.

May import: drawing and everything below; no door, no permission.
"""
