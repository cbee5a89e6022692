"""What is true of every call of the client."""
