"""Webhooks: check the signature, map the delivery to an event, store the event once.

May import: rest.base, doors, client and everything below.
"""
