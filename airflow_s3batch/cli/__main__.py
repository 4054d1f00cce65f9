"""``python -m airflow_s3batch.cli``."""

from __future__ import annotations

import sys

from airflow_s3batch.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
