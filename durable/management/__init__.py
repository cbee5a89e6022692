"""What the commands share: arguments, output, and what only they show of executions.

May import: doors, showing, drawing, the worker and everything below.
"""
