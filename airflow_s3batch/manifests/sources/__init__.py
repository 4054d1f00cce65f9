"""Where the rows of a manifest can come from."""
