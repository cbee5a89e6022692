"""Start executions (for clients, parents, events, reruns) and send events.

May import: ends, row and storage.
"""
