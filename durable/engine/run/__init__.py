"""A claim, from the claim to the checkpoint: which step, its body, its waits, its result.

May import: every room of the engine but calendar, duties and operators; and people.
"""
