"""Run claimed executions: take due ones, run their steps, open their waits, give results.

May import: every room of the engine but calendar, duties and operators; and people.
"""
