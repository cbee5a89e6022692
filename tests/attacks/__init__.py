"""Attacks by people who may do something, but not this: each kind at every door."""
