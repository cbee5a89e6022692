"""What is due, seen and done by whoever runs executions: a worker, or the testing kit.

May import: every other room of the engine.
"""
