"""What the files of a job say they are, where more than one part of this package reads them."""

from __future__ import annotations

JOB = "airflow-s3batch-job/1"
"""``job.json``."""
SERIES = "airflow-s3batch-series/1"
"""What a run of a task leaves for the next."""
