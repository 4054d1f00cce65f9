"""The loop that keeps a window of requests in flight, and what it does about those that fail."""
