"""What the engine asks of the database: statements, commits, rows read, plans. No seconds."""
