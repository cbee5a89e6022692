"""What the row of an execution says, as values: position, failure, journal, changes of its data.

May import: storage, models, authoring.
"""
