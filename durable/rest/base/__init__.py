"""The base of all views: access, bodies, filters, pages, and refusals as problem documents.

May import: doors, showing and everything below.
"""
