"""`python -m demo`: a whole job on a real Airflow and an embedded S3, in one command; `python -m demo ui` shows it."""
