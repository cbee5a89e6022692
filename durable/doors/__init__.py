"""Who may do what, the actions that operators have, ids as people type them: what doors share.

May import: showing and everything below; no door.
"""
