"""agents/ and queues/: how their TOML files are read, checked and explained to the people who write them."""
