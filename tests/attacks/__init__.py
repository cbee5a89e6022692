"""The corpus of attacks: each kind, at every door and every column that it could come through."""
