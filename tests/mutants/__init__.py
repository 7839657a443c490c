"""Known wrong versions of callctl, each of which some test or fuzz seed must catch."""
