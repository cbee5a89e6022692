"""Webhooks: the sender's signature, the event in a delivery, and one stored event per delivery.

May import: rest.base, doors, client and everything below.
"""
