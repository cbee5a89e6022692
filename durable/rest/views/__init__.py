"""The views, one file for each kind of thing: parse, call the engine, answer.

May import: rest.base, rest.schema, doors, showing and everything below.
"""
