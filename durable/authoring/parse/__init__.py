"""From a class to its definition: options, steps and flow are read, checked and registered.

May import: the vocabulary, nodes, calendar, self.
"""
