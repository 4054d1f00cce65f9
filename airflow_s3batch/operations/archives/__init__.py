"""Objects in archives: restored, and whether they can be read yet."""
