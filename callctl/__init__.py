"""callctl: agents of many cities answer one city's 12345 calls from their own seats (多援一)."""
