"""The base of all pages of the dashboard: access, paging, how values are shown and read.

May import: doors, showing, drawing and everything below.
"""
