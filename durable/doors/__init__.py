"""Shared by the doors: permissions and policies, the operators' actions, ids as people type them.

May import: showing and everything below; no door.
"""
