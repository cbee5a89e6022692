"""Run the branches and items of a block: open it, batch items, report ends, join results.

May import: start, ends, row and storage.
"""
