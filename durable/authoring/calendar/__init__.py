"""Cron expressions, and the slots at which they fire.

May import: the vocabulary, values.
"""
