"""The base of all views: who gets in, bodies, filters, pages, and refusals as problem documents.

May import: doors, showing and everything below.
"""
