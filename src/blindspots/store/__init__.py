"""One run directory, written and read. No torch."""
