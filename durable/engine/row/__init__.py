"""Values read from an execution's row: position, failure, journal, data changes.

May import: storage, models, authoring.
"""
