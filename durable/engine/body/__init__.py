"""Support for a running body: its transaction, its captured logs, its progress.

May import: storage.
"""
