"""The database as the engine uses it: transactions, statements, audit. No workflow is known here.

May import: the vocabulary and models.
"""
