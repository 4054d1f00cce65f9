"""Throughput against the number of workers, and the load of Airflow's scheduler against the number of shards."""
