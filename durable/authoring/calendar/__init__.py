"""Cron expressions, and the instants at which they fire.

May import: the vocabulary, values.
"""
