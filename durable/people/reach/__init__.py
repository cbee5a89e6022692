"""How questions reach people through the doors: links, mails, JSON Schema, words for their state.

May import: everything below, and ``doors.access``.
"""
