"""A small shop: its rows, the services it calls, and the workflows that use both."""
