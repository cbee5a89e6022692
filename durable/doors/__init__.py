"""Shared by all doors: permissions, policies, and the operators' actions.

May import: showing and everything below; no door.
"""
