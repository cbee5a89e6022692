"""Parse a workflow class: read, check and register its options, steps and flow.

May import: the vocabulary, nodes, calendar, self.
"""
