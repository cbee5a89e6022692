"""The worker process: threads that run steps, and those that keep it alive and informed."""
