"""Every test of callctl; tests/real/ talks to real Asterisk cities."""
