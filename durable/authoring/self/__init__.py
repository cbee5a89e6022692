"""The self of a running step: its calls, its facts, its typed data, and a stand-in for tests.

May import: the vocabulary, nodes.
"""
