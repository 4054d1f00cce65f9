"""Values, outcomes, errors and file formats. No I/O, no clock, no threads."""
