"""Questions to people: who may answer, how a question is stored, shown and answered.

May import: storage, models and authoring. What needs permissions and pages is in ``reach``.
"""
