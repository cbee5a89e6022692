"""How one measurement is made: the server, the processes, the counters."""
