"""What it costs to make a manifest of an inventory, against DuckDB, polars and pandas that filter the same files."""
