"""SQL over inventories: parsed, checked, translated, and run in a locked DuckDB."""
