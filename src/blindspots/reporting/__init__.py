"""Everything that shows a run: tables, figures, pages, comparisons. Reads files alone; no torch."""
