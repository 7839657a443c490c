"""What callctl brings along: the starter tree of categories and the lists of holidays."""
