"""Events and waits: who gets which, how long one waits, and how a wait ends."""
