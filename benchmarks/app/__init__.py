"""The Django app whose workflows and rows our engine is measured with."""
