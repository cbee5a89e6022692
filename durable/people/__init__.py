"""Questions to people: what is asked, of whom, how it is answered, and who is told of it.

``Question.of(wait)`` is what everybody reads. ``answer`` finds the question that is meant,
locked, and records the answer; ``reach.inputs`` does the same for people at the doors, whose
right to answer ``doors.access.refusals`` decides. May import: storage, models and authoring.
"""
