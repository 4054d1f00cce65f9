"""Objects rewritten where they stand."""
