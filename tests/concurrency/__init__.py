"""Two connections, one order at a time: races, locks, fences, outages."""
