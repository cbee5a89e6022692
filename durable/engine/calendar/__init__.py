"""Schedules: which there are, what a deploy declares, and the start of one execution per slot.

May import: start and storage.
"""
