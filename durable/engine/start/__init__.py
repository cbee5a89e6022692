"""How executions begin: by a client, a parent, an event, a rerun; and how messages are sent.

May import: ends, row and storage.
"""
