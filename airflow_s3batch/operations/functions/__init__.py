"""Functions of the user's, on AWS Lambda or in Python."""
