"""The worker process: its threads, its slots, its heartbeat, and how it stops.

May import: the engine and everything below; no door.
"""
