"""Accounts, passwords, codes."""
