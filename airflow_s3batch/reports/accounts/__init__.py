"""From what attempts left behind to one row per object."""
