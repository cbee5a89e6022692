"""One execution from its start to its end: steps, retries, sleeps, data, versions, recovery."""
