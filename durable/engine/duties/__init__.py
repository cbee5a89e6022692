"""Due work: the list of duties, the query that finds what is due, and the workers' leases.

May import: every other room of the engine.
"""
