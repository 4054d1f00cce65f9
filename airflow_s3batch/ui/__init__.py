"""The page *S3 Batch* of Airflow's web interface: what serves it. Reads Airflow's database only, never S3."""
