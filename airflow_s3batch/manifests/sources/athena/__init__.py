"""Rows that Athena selects."""
