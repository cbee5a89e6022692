"""The drawing of a flow and of a run."""
