"""How questions reach people through the doors: links, mails, JSON Schema, state in words.

May import: everything below, and ``doors.access``.
"""
