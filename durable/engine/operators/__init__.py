"""What operators do: control executions as wholes, steer queues, remove what is over.

May import: every other room of the engine but duties.
"""
