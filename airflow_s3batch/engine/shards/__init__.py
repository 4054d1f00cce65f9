"""One attempt at one shard of a job: from its rows to committed result files, and what earlier attempts left."""
