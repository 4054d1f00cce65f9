"""One module for each command; `airflow_s3batch.cli.verbs` says what such a module has."""
