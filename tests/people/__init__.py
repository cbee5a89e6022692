"""Questions to people: who may answer, what fits, who is told."""
