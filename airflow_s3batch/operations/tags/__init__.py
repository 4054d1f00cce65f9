"""Tag sets: put, merged, removed."""
