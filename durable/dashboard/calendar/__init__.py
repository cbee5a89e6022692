"""Schedules: their list, their pages and their form.

May import: shared.
"""
