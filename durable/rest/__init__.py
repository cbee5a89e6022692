"""The REST door: JSON over HTTP for programs, and webhooks for other companies' programs.

May import: doors, showing, drawing and everything below; no other door.
"""
