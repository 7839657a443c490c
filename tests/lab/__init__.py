"""Tests of the lab itself: phones, PBXs, crowds."""
