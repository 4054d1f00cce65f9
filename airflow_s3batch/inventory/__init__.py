"""From a delivery of S3 Inventory to a manifest: find it, filter it with SQL, cut it into shards."""
