"""What is true of every door; the doors themselves are in admin, rest, commands and masking."""
