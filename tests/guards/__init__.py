"""The guards of the engine, and the proof that each is tested."""
