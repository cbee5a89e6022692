"""Schedules: register the declared ones, change the others, and start an execution per slot.

May import: start and storage.
"""
