"""The doors to the cities' PBXs: one port, one adapter per kind of PBX."""
