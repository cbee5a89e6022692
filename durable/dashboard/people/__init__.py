"""The pages on which people answer: the list of questions, one question, a link of a mail.

May import: shared.
"""
