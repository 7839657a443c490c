"""Simulated cities in virtual time: the stand-in for real PBXs, held to the same contract suite."""
