"""Attacks that were tried on the product, each as a kind: at every door, on every column."""
