"""What surrounds the body of a step while it runs: its transaction, its logs, its progress.

May import: storage.
"""
