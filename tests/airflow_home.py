"""A home for Airflow that no other test process shares; to be made before anything imports Airflow."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

OWNER = "S3BATCH_TEST_PROCESS"


def own_airflow_home() -> None:
    """
    Point ``AIRFLOW_HOME`` to a new folder, once in each process.

    With xdist the processes inherit the environment of the one that has started them, and with it a home
    that would be common to all: so the environment also says which process its home belongs to.
    """
    process = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    if os.environ.get(OWNER) == process:
        return
    home = tempfile.mkdtemp(prefix="s3batch-airflow-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ |= {
        OWNER: process,
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
        "AIRFLOW__CORE__DAGS_FOLDER": f"{home}/dags",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
