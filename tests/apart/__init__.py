"""The engine in a database that is not the users': run by ``tests/doors/test_two_databases.py``."""
