"""What an attempt has to know of the whole job, of people who steer it, and of other jobs."""
