"""A province of real PBXs, citizens and agents on this machine's loopback."""
