"""How executions and their values are shown, whatever the door: one owner for each question.

``characters``: no character hides. ``masking``: which values are secret. ``times`` and ``values``:
how moments, spans and JSON are written in each medium. ``overview`` and ``run``: what there is.

May import: drawing and everything below; no door, no permission.
"""
