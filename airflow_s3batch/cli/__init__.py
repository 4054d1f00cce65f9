"""The command line: reports, failures, plans, policies and jobs, in the terminal. Knows nothing of Airflow."""
