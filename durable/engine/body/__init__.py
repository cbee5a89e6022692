"""Support for a running body: transaction, captured logs, progress.

May import: storage.
"""
