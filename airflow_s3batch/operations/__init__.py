"""What is done to an object. Declarative, frozen, named as AWS names it; cheap to import when a Dag is parsed."""

from airflow_s3batch.operations.acls.acl import PutObjectAcl
from airflow_s3batch.operations.archives.restoring import RestoreObject
from airflow_s3batch.operations.base import Operation, Replay
from airflow_s3batch.operations.checksums import ComputeObjectChecksum
from airflow_s3batch.operations.copies.copying import CopyObject
from airflow_s3batch.operations.copies.moving import MoveObject
from airflow_s3batch.operations.deletes.deleting import DeleteObject
from airflow_s3batch.operations.fields import Column
from airflow_s3batch.operations.functions.invoking_lambda import LambdaInvoke
from airflow_s3batch.operations.functions.invoking_python import PythonInvoke
from airflow_s3batch.operations.iam import iam_policies, iam_policy
from airflow_s3batch.operations.in_order import InOrder
from airflow_s3batch.operations.locks.legal_hold import PutObjectLegalHold
from airflow_s3batch.operations.locks.retention import PutObjectRetention
from airflow_s3batch.operations.replicating import ReplicateObject
from airflow_s3batch.operations.requests import Call, Request, Response, RunContext
from airflow_s3batch.operations.rewrites.rewriting import RewriteObject
from airflow_s3batch.operations.rewrites.updating_encryption import UpdateObjectEncryption
from airflow_s3batch.operations.tags.merging_tags import MergeObjectTagging
from airflow_s3batch.operations.tags.tagging import DeleteObjectTagging, PutObjectTagging

ALL_OPERATIONS: tuple[type[Operation], ...] = (
    ComputeObjectChecksum,
    CopyObject,
    DeleteObject,
    DeleteObjectTagging,
    LambdaInvoke,
    MergeObjectTagging,
    MoveObject,
    PutObjectAcl,
    PutObjectLegalHold,
    PutObjectRetention,
    PutObjectTagging,
    PythonInvoke,
    ReplicateObject,
    RestoreObject,
    RewriteObject,
    UpdateObjectEncryption,
)
"""Every operation on one object, by name."""

__all__ = [
    "ALL_OPERATIONS",
    "Call",
    "Column",
    "ComputeObjectChecksum",
    "CopyObject",
    "DeleteObject",
    "DeleteObjectTagging",
    "InOrder",
    "LambdaInvoke",
    "MergeObjectTagging",
    "MoveObject",
    "Operation",
    "PutObjectAcl",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "PythonInvoke",
    "Replay",
    "ReplicateObject",
    "Request",
    "Response",
    "RestoreObject",
    "RewriteObject",
    "RunContext",
    "UpdateObjectEncryption",
    "iam_policies",
    "iam_policy",
]
