"""What a run found, as tables, plots and a JSON file."""
