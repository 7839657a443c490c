"""The console: its API, its doors, its shields."""
