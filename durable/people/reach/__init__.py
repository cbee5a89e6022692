"""How questions reach people through the doors: lists, signed links, mails, JSON Schema.

May import: everything below, and ``doors.access``.
"""
