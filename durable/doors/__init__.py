"""What the doors share: who may do what, how values are shown, what operators can do."""
