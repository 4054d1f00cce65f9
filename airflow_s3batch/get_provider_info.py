"""What Airflow's ``ProvidersManager`` is told about this package; validated against Airflow's own schema by a test."""

from __future__ import annotations

from typing import Any

_PROJECT = "S3 Batch Operations"


def get_provider_info() -> dict[str, Any]:
    """Serve the entry point ``apache_airflow_provider``."""
    return {
        "package-name": "airflow-provider-s3batch",
        "name": _PROJECT,
        "description": "Filter an S3 Inventory with SQL, run one operation on every object, get a completion report.",
        "integrations": [
            {
                "integration-name": _PROJECT,
                "external-doc-url": "https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops.html",
                "tags": ["aws"],
            }
        ],
        "operators": [
            {
                "integration-name": _PROJECT,
                "python-modules": [
                    "airflow_s3batch.operators.manifest",
                    "airflow_s3batch.operators.approval",
                    "airflow_s3batch.operators.athena",
                    "airflow_s3batch.operators.batch_operation",
                    "airflow_s3batch.operators.cleanup",
                    "airflow_s3batch.operators.csv_manifest",
                    "airflow_s3batch.operators.inventory",
                    "airflow_s3batch.operators.listing",
                    "airflow_s3batch.operators.managed",
                    "airflow_s3batch.operators.manifest_groups",
                    "airflow_s3batch.operators.parquet_manifest",
                    "airflow_s3batch.operators.rehearsal",
                    "airflow_s3batch.operators.report",
                    "airflow_s3batch.operators.report_manifest",
                    "airflow_s3batch.operators.verification",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": _PROJECT,
                "python-modules": [
                    "airflow_s3batch.sensors.s3_inventory",
                    "airflow_s3batch.sensors.s3_batch_job",
                    "airflow_s3batch.sensors.s3_restore",
                ],
            }
        ],
        "hooks": [
            {
                "integration-name": _PROJECT,
                "python-modules": ["airflow_s3batch.hooks.s3", "airflow_s3batch.hooks.s3_batch"],
            }
        ],
        "triggers": [
            {
                "integration-name": _PROJECT,
                "python-modules": [
                    "airflow_s3batch.triggers.s3_inventory",
                    "airflow_s3batch.triggers.s3_inventory_sensor",
                    "airflow_s3batch.triggers.athena_query",
                    "airflow_s3batch.triggers.job_control",
                    "airflow_s3batch.triggers.s3_batch_job",
                    "airflow_s3batch.triggers.s3_restore",
                ],
            }
        ],
        "config": {
            "s3batch": {
                "description": "Jobs of airflow-provider-s3batch.",
                "options": {
                    "price_table": {
                        "description": "URL on S3, or path, of the price table for cost estimates where a Dag names "
                        "none. Empty: AWS's list prices, where the store is AWS.\n",
                        "version_added": None,
                        "type": "string",
                        "example": "s3://ops/prices/eu-central-1.json",
                        "default": "",
                    },
                    "installation": {
                        "description": "Name of this Airflow, so that no other works on its jobs where both have one "
                        "job_url. Empty: the Variable s3batch_installation, made when the first job starts.\n",
                        "version_added": None,
                        "type": "string",
                        "example": "prod-eu",
                        "default": "",
                    },
                    "max_active_tis_per_dagrun": {
                        "description": "How many shards of a job run at a time where its Dag does not say. Empty: 8, "
                        "but no more than half of [core] parallelism.\n",
                        "version_added": None,
                        "type": "string",
                        "example": "16",
                        "default": "",
                    },
                },
            }
        },
        "extra-links": ["airflow_s3batch.links.s3_batch_job.S3BatchJobLink"],
        "notifications": ["airflow_s3batch.notifications.event_bridge.EventBridgeJobNotifier"],
        "cli": ["airflow_s3batch.airflow_cli.get_cli_commands"],
    }
