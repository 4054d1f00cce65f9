"""Where a job's files are kept, and files on their way there."""
