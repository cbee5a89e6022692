"""What is undone: compensation, catch, and the order of both."""
