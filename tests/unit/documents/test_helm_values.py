"""
The values for Kubernetes have the keys and types that the chart takes.

Read off the chart's ``values.schema.json``, which is not in this repository: https://airflow.apache.org/docs/helm-chart/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
VALUES: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "helm" / "values.yaml").read_text())
RESOURCES = {"cpu": str, "memory": str, "ephemeral-storage": str}
ASKED = {"requests": RESOURCES, "limits": RESOURCES}
ACCOUNT = {"create": bool, "annotations": {"eks.amazonaws.com/role-arn": str}}
POD = {
    "terminationGracePeriodSeconds": int,
    "serviceAccount": ACCOUNT,
    "resources": ASKED,
    "extraVolumes": list,
    "extraVolumeMounts": list,
}
COMPONENT = {"replicas": int, "resources": ASKED, "serviceAccount": ACCOUNT, "persistence": {"enabled": bool}}
CELERY = {
    **POD,
    "replicas": int,
    "persistence": {"enabled": bool},
    "keda": {"enabled": bool, "minReplicaCount": int, "maxReplicaCount": int, "cooldownPeriod": int},
}
CHART: dict[str, Any] = {
    "images": {"airflow": {"repository": str, "tag": str, "pullPolicy": str}},
    "airflowVersion": str,
    "executor": str,
    "config": dict,
    **dict.fromkeys(("apiServer", "scheduler", "dagProcessor", "triggerer"), COMPONENT),
    "workers": {"celery": CELERY, "kubernetes": {**POD, "safeToEvict": bool}},
}


def problems(values: Mapping[str, Any], chart: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Yield what the chart would refuse, or leave unheard."""
    for name, value in values.items():
        wanted = chart.get(name)
        if wanted is None:
            yield f"{place}{name} is not known"
        elif isinstance(wanted, Mapping):
            yield from problems(value, wanted, f"{place}{name}.")
        elif type(value) is not wanted:
            yield f"{place}{name} is {value!r}, expected {wanted.__name__}"


def gib(quantity: str) -> int:
    return int(quantity.removesuffix("Gi"))


def test_keys_and_types_are_the_charts() -> None:
    assert list(problems(VALUES, CHART)) == []


def test_options_are_texts_or_numbers() -> None:
    """A bare ``True`` would reach Airflow's configuration as Go spells it."""
    options = [value for section in VALUES["config"].values() for value in section.values()]
    assert [value for value in options if isinstance(value, bool) or not isinstance(value, str | int)] == []


def test_disks_hold_what_a_planning_task_may_take() -> None:
    """``staging_limit`` is 20 GB by default, and the volume has to be larger; a pod for it is the page's example."""
    page = (ROOT / "docs" / "deploying" / "kubernetes.md").read_text()
    (planning,) = re.findall(r'"manifest": {"executor_config": pod\("\w+", "(\w+)"\)}', page)
    limits = {"celery": VALUES["workers"]["celery"]["resources"]["limits"]["ephemeral-storage"], "kubernetes": planning}
    for kind, limit in limits.items():
        (volume,) = VALUES["workers"][kind]["extraVolumes"]
        assert 20 < gib(volume["emptyDir"]["sizeLimit"]) < gib(limit)
    mounts = [VALUES["workers"][kind]["extraVolumeMounts"][0]["mountPath"] for kind in ("celery", "kubernetes")]
    assert mounts == ["/tmp", "/tmp"]
