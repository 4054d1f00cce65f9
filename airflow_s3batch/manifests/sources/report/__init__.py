"""Rows of completion reports."""
