"""What commands show on a terminal: progress bars, tables, findings."""
