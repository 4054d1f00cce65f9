"""Deletes, one by one and a thousand a request."""
