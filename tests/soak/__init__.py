"""A random load on real processes under kills, cut commits and restarts of PostgreSQL.

``make soak`` runs it (``python -m tests.soak``). Workers and clients are processes of their own;
the bodies of steps leave rows in the database and lines in a file outside of it. After the faults
``tests.soak.judge`` compares what is left with what the inputs say.
"""
