"""Selections that look at several rows at a time, or at earlier jobs."""
