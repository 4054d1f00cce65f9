"""Rows of a live listing."""
