"""The list of executions: its filters and its search, and actions on many executions at once.

May import: shared, run.
"""
