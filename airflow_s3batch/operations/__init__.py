"""What is done to an object. Declarative, frozen, named as AWS names it; cheap to import when a Dag is parsed."""

from airflow_s3batch.operations.acl import PutObjectAcl
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.copying import CopyObject
from airflow_s3batch.operations.deleting import DeleteObject
from airflow_s3batch.operations.fields import Column
from airflow_s3batch.operations.requests import Call, Request, Response, RunContext
from airflow_s3batch.operations.rewriting import RewriteObject
from airflow_s3batch.operations.tagging import DeleteObjectTagging, PutObjectTagging

__all__ = [
    "Call",
    "Column",
    "CopyObject",
    "DeleteObject",
    "DeleteObjectTagging",
    "Operation",
    "PutObjectAcl",
    "PutObjectTagging",
    "Replay",
    "Request",
    "Response",
    "RewriteObject",
    "RunContext",
]
