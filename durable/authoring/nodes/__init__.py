"""The nodes of a flow: steps, blocks, waits and child workflows, and the tree that they form.

May import: the vocabulary, values.
"""
