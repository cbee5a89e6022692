"""Shared by the doors: permissions, policies and the operators' actions.

May import: showing and everything below; no door.
"""
