"""Accounts, passwords, one-time codes, signing in: who the person at the page is."""
