"""Steps that bring a history database from one version of callctl to the next (Alembic)."""
