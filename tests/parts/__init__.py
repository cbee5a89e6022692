"""The parts of an execution: branches, items, children, and what joins them."""
