"""A run laid over the drawing of its flow: facts from the tables, states of nodes, the overlay.

May import: drawing, the engine, models and authoring; of ``showing`` the times.
"""
