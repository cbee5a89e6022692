"""The pages of the Django admin on which people watch executions and operators act on them.

May import: doors, showing, drawing and everything below; no other door.
"""
