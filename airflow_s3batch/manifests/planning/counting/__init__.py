"""What is counted of rows as they pass."""
