"""Removing the folders of old jobs."""
