"""What outlives a controller: the agent registry in Redis, the history in SQL."""
