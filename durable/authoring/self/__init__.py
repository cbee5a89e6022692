"""The ``self`` of a running step: calls, attributes, typed data, and a stub for tests.

May import: the vocabulary, nodes.
"""
