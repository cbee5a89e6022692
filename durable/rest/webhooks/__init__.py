"""Webhooks: who has signed them, which event they are, and that they are stored once."""
