"""A run laid over the drawing of its flow.

May import: drawing, models and authoring.
"""
