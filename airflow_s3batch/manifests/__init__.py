"""From any source of rows to the manifest of a job."""
