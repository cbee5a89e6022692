"""The pages of the Django admin that show executions, and do what operators may do to them.

May import: doors, showing, drawing and everything below; no other door.
"""
