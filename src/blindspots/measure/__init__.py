"""Found images to numbers to rows."""
