"""The worker process: its signals, threads, leases, and what steps may do to it."""
