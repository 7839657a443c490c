"""Reports and forms on paper and screen: pages, PDF, workbooks. Figures come in as values; nothing here asks a database."""
