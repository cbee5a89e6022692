"""React to a failure: another attempt, a catch, or the rollback of completed steps.

May import: start, ends, row and storage.
"""
