"""From the files of a source to the rows that a selection wants."""
