"""The link to a PBX, on recordings and on peers that behave as a test tells them to."""
