"""What an author writes: workflows, flows, options, typed steps, and what is refused."""
