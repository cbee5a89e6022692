"""The nodes of a flow: steps, blocks, waits, child workflows; and their tree.

May import: the vocabulary, values.
"""
