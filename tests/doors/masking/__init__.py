"""Secrets are hidden at every door."""
