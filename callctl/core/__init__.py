"""The pure core: sees the whole province at once, decides, touches nothing."""
