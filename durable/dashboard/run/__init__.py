"""The page of one execution: its facts, flow, timeline and steps, and the actions on it.

May import: shared.
"""
