"""The commands: one file a group, each thin; what they do is in the modules below."""
