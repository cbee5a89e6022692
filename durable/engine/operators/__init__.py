"""Operators' actions: control executions, steer queues, list, and remove old rows.

May import: every other room of the engine but duties.
"""
