"""Database services for the engine: transactions, statements, limits, audit; no workflow logic.

May import: the vocabulary and models.
"""
