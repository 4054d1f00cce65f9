"""What all sensors do in the same way."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_s3batch.hooks.airflow_names import AirflowSensorTimeout, AirflowSkipException
from airflow_s3batch.sensors import S3BatchJobSensor, S3InventorySensor, S3RestoreSensor
from airflow_s3batch.sensors.base import S3BatchSensor

SENSORS = {
    S3BatchJobSensor: {"job_id": "job-1"},
    S3InventorySensor: {"inventory": "s3://inventories/lake"},
    S3RestoreSensor: {"operation_task_id": "restore.run", "manifest_task_id": "restore.manifest"},
}
each_sensor = pytest.mark.parametrize("sensor", SENSORS, ids=lambda sensor: sensor.__name__)


@each_sensor
@pytest.mark.parametrize(
    ("arguments", "expected"), [({}, AirflowSensorTimeout), ({"soft_fail": True}, AirflowSkipException)]
)
def test_time_that_is_over_in_the_triggerer_ends_the_wait_as_it_does_in_a_worker(
    sensor: type[S3BatchSensor], arguments: dict[str, Any], expected: type[Exception]
) -> None:
    """Also in versions of Airflow that forget ``soft_fail`` there."""
    task = sensor(task_id="wait", deferrable=True, timeout=60, **SENSORS[sensor], **arguments)
    with pytest.raises(expected):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, {})


@each_sensor
def test_connection_and_region_are_templates(sensor: type[S3BatchSensor]) -> None:
    assert {"aws_conn_id", "region_name"} <= set(sensor.template_fields)
