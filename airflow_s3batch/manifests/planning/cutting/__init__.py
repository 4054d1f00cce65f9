"""From selected rows to shards."""
