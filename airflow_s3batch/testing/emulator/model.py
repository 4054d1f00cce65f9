"""botocore's model of the control API: the only source of what a request may hold."""

from __future__ import annotations

import functools
from typing import Any

import botocore.session

NAMESPACE = "http://awss3control.amazonaws.com/doc/2018-08-20/"
ROUTES = {
    ("POST", ""): "CreateJob",
    ("GET", ""): "ListJobs",
    ("GET", "{id}"): "DescribeJob",
    ("POST", "{id}/priority"): "UpdateJobPriority",
    ("POST", "{id}/status"): "UpdateJobStatus",
    ("GET", "{id}/tagging"): "GetJobTagging",
    ("PUT", "{id}/tagging"): "PutJobTagging",
    ("DELETE", "{id}/tagging"): "DeleteJobTagging",
}
"""Calls by method and by what comes after ``/v20180820/jobs/``."""


@functools.cache
def input_shape(api: str) -> Any:
    """Return botocore's shape of *api*'s request."""
    return _service().operation_model(api).input_shape


@functools.cache
def output_shape(api: str) -> Any:
    """Return botocore's shape of *api*'s answer; ``None`` if it has none."""
    return _service().operation_model(api).output_shape


def wire_name(name: str, shape: Any) -> str:
    """Return the element that holds the member *name* of a structure."""
    return str(shape.serialization.get("name", name))


@functools.cache
def _service() -> Any:
    return botocore.session.get_session().get_service_model("s3control", "2018-08-20")
