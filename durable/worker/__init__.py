"""The worker process: main loop, slots, heartbeat, watchdog, group commit, shutdown.

May import: the engine and everything below; no door.
"""
