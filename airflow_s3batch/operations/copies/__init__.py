"""Copies to another place, and moves."""
