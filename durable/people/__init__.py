"""Questions to people: ask them, record answers, tell the people asked.

Everybody reads a question as ``Question.of(wait)``. ``answer`` finds a question by its name,
locks it, and records the answer; ``reach.inputs`` does the same for people at the doors, whose
right to answer ``doors.access.refusals`` decides. May import: storage, models and authoring.
"""
