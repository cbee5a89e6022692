"""The overview, workflows, queues, workers, events and the audit trail.

May import: shared, run.
"""
