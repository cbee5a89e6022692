"""How executions and their values are shown at every door: one owner for each question.

``characters``: make hidden characters visible. ``masking``: hide secret values. ``times`` and
``values``: write times, spans and JSON for each medium. ``overview``: counts of everything.
``run``: a run laid over its flow.

May import: drawing and everything below; no door, no permission.
"""
