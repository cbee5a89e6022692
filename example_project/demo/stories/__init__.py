"""Each workflow's part in the demo, and what must have come of it."""
