"""Questions to people: their list, their pages, and the page behind a link in a mail.

May import: shared.
"""
