"""Tests on real Asterisk cities: the citizen, the agent and the PBX are asked, never a stand-in."""
