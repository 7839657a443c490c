"""The console: pages for people, one API for pages and machines, on the same desk as the command line."""
