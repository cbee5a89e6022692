"""The parts of an execution: branches and items, from the opening of a block to its end.

May import: start, ends, row and storage.
"""
