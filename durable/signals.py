"""Signals about questions to people, sent by a worker after the commit.

Each is sent with ``sender=Wait``, ``wait`` (the row) and ``to``: the people to tell, as texts such
as ``"user:kim"``, ``"group:finance"`` or ``"perm:shop.approve"``. A receiver that reached nobody
returns a ``timedelta``: the signal is sent again after that time (a dozen times at most). Other
results are ignored, and errors are logged. After a crash of the worker a signal may be sent twice;
none is lost.
"""

from django.dispatch import Signal

__all__ = [
    "input_asked",
    "input_escalated",
    "input_reassigned",
    "input_reminder",
]

input_asked = Signal()  # a question was opened; to: its assignees
input_reminder = Signal()  # a question is still open; to: the people who may answer
input_escalated = Signal()  # more people may answer; to: the added people
input_reassigned = Signal()  # a question has other assignees; to: the new ones
