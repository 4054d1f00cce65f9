"""Access control lists, and grants in the forms that S3 and CreateJob take."""
