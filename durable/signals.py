"""Signals about questions to people, sent by a worker after the commit of what they tell.

Each is sent with ``sender=Wait``, ``wait`` (the row) and ``to``: whom to tell, as texts such as
``"user:kim"``, ``"group:finance"`` or ``"perm:shop.approve"``. A receiver that could tell nobody
returns a ``timedelta``: then the signal is sent again after that time (a dozen times at most).
Otherwise what it returns is ignored, and what it raises is logged. After a crash of the worker a
signal may be sent twice; none is lost.
"""

from django.dispatch import Signal

__all__ = [
    "input_asked",
    "input_escalated",
    "input_reassigned",
    "input_reminder",
]

input_asked = Signal()  # a question was opened; to: its assignees
input_reminder = Signal()  # it is still open; to: those who may answer
input_escalated = Signal()  # more people may answer; to: those who were added
input_reassigned = Signal()  # it is for others now; to: those who were not asked before
