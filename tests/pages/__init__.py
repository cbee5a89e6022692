"""Pages of the documentation, followed by somebody who does what they say and nothing else."""
