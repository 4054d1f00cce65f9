"""
The least IAM policy that a job needs, put together from what its operation says of itself.

Source:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-iam-role-policies.html
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from airflow_s3batch.core.errors import ArgumentError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.operations.base import Operation
from airflow_s3batch.operations.declared import declaration_problems, declared, worker_problems
from airflow_s3batch.operations.iam_sources import RowSource, reading, selection_problems
from airflow_s3batch.operations.in_order import InOrder

Policy = dict[str, Any]
_ACCESS_POINT = re.compile(r"(s3://)?(?P<bucket>arn:[^/]+:accesspoint[/:][^/]+)(/(?P<key>.*))?", re.DOTALL)
_WILDCARD = re.compile(r"[*?$]")
SCRATCH = ".s3batch-scratch"
SERVICE = "batchoperations.s3.amazonaws.com"
_FACTS = {"s3:GetBucketVersioning", "s3:GetBucketOwnershipControls", "s3:GetBucketObjectLockConfiguration"}
_LOCKS = {"s3:PutObjectRetention", "s3:PutObjectLegalHold"}
_FILES = {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}
_JOBS = {"s3:DescribeJob", "s3:UpdateJobPriority", "s3:UpdateJobStatus", "s3:GetJobTagging", "s3:PutJobTagging"}


def iam_policy(
    operation: Operation | Sequence[Operation], manifest: str | Iterable[str], job_url: str, **how: Any
) -> str:
    """
    Return the least policy that a job needs, as JSON to print or to paste; `iam_policies` documents the arguments.

    For the worker engine one policy, of the role or user behind ``aws_conn_id``; for the managed engine an object of
    three: ``caller``, ``role`` and ``trust``.
    """
    policies = iam_policies(operation, manifest, job_url, **how)
    return json.dumps(policies["worker"] if len(policies) == 1 else policies, indent=2)


def iam_policies(
    operation: Operation | Sequence[Operation],
    manifest: str | Iterable[str],
    job_url: str,
    *,
    engine: str = "worker",
    inventory: str | Iterable[str] | None = None,
    source: RowSource | Mapping[str, Any] | None = None,
    targets: Sequence[str] = (),
    kms_keys: Sequence[str] = (),
    region: str = "*",
    account_id: str = "*",
    role_arn: str = "",
    partition: str = "aws",
    is_aws: bool = True,
    verification: bool = False,
) -> dict[str, Policy]:
    """
    Return the least policies by who needs them: ``worker``; or ``caller``, ``role`` and ``trust``.

    Args:
        operation: what is done to each object, or several such in order.
        manifest: where its objects lie: ``s3://bucket``, ``s3://bucket/prefix`` or the ARN of an access point, one or
            several.
        job_url: as for the job.
        engine: ``"worker"`` or ``"managed"``.
        inventory: URL of the inventory that the manifest is made from, or several.
        source: or what it is made from instead, one of `airflow_s3batch.sources` (Athena's needs are not known here);
            or ``selection`` of a ``job.json``.
        targets: names of the buckets that are copied to, where the operation has them from a `Column`.
        kms_keys: ARNs of the keys that objects are, or shall be, encrypted under; needed where S3 uses KMS at all.
        region: of functions and AWS jobs.
        account_id: likewise; the trust policy is for jobs of that account only, if it is given.
        role_arn: of the role that AWS does a managed job with.
        partition: ``aws``, ``aws-cn`` or ``aws-us-gov``.
        is_aws: the store is AWS; elsewhere an operation is first tried on scratch objects, which needs more.
        verification: what was done is verified afterwards, by the worker's or the caller's credentials.

    Raises:
        ArgumentError: lists all that is wrong.
    """
    places = [_place(text) for text in ([manifest] if isinstance(manifest, str) else manifest)]
    problems = worker_problems(operation) if engine == "worker" else declaration_problems(operation)
    if engine not in ("worker", "managed"):
        problems.append(f"engine={engine!r}: expected 'worker' or 'managed'")
    if not places:
        problems.append("manifest is empty: name the buckets or prefixes that its objects lie in")
    if not problems and engine == "managed":
        problems = list(declared(operation).managed_problems())
    if not problems and verification:
        problems = list(declared(operation).verification_problems())
    if engine == "managed" and not role_arn:
        problems.append("role_arn is missing: AWS S3 Batch Operations does the job with a role")
    selection = _selection(inventory, source)
    problems += selection_problems(selection)
    if problems:
        raise ArgumentError.of("iam_policy", problems)
    needs = _Needs(declared(operation), places, tuple(targets), tuple(kms_keys), partition, region, account_id)
    job = S3Url.parse(job_url, what="job_url")
    own = [*_own_files(partition, job), *reading(selection, _reader(partition), _literal)]
    if engine == "worker":
        trial = [] if is_aws else needs.trial(job)
        of_worker = [*needs.of_objects(is_managed=False), *needs.of_buckets(), *own, *trial]
        return {"worker": _policy([*of_worker, *(needs.of_verification() if verification else [])])}
    looks = [*needs.of_verification(), *needs.of_buckets()] if verification else []
    of_role = [*needs.of_objects(is_managed=True), *needs.of_missing(), *needs.of_locks()]
    return {
        "caller": _policy([*_of_jobs(partition, region, account_id, role_arn), *own, *needs.of_named_keys(), *looks]),
        "role": _policy([*of_role, *_of_service(partition, job)]),
        "trust": _trust(account_id),
    }


class _Needs(NamedTuple):
    """What an operation needs on objects, and where these are."""

    operation: Operation
    places: list[S3Url]
    targets: tuple[str, ...]
    kms_keys: tuple[str, ...]
    partition: str
    region: str
    account_id: str

    @property
    def steps(self) -> tuple[Operation, ...]:
        return self.operation.operations if isinstance(self.operation, InOrder) else (self.operation,)

    def actions(self, place: str, *, is_managed: bool) -> set[str]:
        """Return the actions on ``objects``, ``target``, ``keys`` or ``functions``."""
        return set().union(*(step.iam_places(is_managed=is_managed).get(place, set()) for step in self.steps))

    def target_buckets(self) -> list[str]:
        """
        Return the buckets that are written to.

        Raises:
            ArgumentError: they stand in a column.
        """
        named = [bucket for step in self.steps if (bucket := getattr(step, "target_bucket", None)) is not None]
        if self.targets or all(isinstance(bucket, str) for bucket in named):
            return list(dict.fromkeys([*self.targets, *(bucket for bucket in named if isinstance(bucket, str))]))
        raise ArgumentError("iam_policy: the target buckets stand in a column; name them: targets=['…']")

    def of_objects(self, *, is_managed: bool) -> list[Policy]:
        """Return what is needed on objects, targets, keys and functions."""
        objects = [_objects(self.partition, place) for place in self.places]
        targets = [_objects(self.partition, S3Url(bucket, "")) for bucket in self.target_buckets()]
        found = [
            _allow("Objects", self.actions("objects", is_managed=is_managed), objects),
            _allow("Targets", self.actions("target", is_managed=is_managed), targets),
            _allow("Functions", self.actions("functions", is_managed=is_managed), self._functions()),
        ]
        keys = self.actions("keys", is_managed=is_managed)
        if self.kms_keys:
            keys |= {"kms:Decrypt", "kms:GenerateDataKey"}
            found.append(_allow("Keys", keys, self.kms_keys))
        elif keys:
            statement = _allow("Keys", keys, [f"arn:{self.partition}:kms:*:*:key/*"])
            domain = "amazonaws.com*" if self.partition == "aws-cn" else "amazonaws.com"
            found.append({**statement, "Condition": {"StringLike": {"kms:ViaService": f"s3.*.{domain}"}}})
        return found

    def _functions(self) -> list[str]:
        named = (str(getattr(step, "function_arn", "")) for step in self.steps)
        prefix = f"arn:{self.partition}:lambda:{self.region}:{self.account_id}:function"
        return [name if name.startswith("arn:") else f"{prefix}:{name}" for name in named if name]

    def of_buckets(self) -> list[Policy]:
        """
        Return what the preflight reads of the buckets.

        Listing is never done: without that permission S3 says ``AccessDenied`` of objects that do not exist.
        """
        names = dict.fromkeys([*(place.bucket for place in self.places), *self.target_buckets()])
        return [_allow("Buckets", {"s3:ListBucket", *_FACTS}, [_bucket(self.partition, name) for name in names])]

    def of_missing(self) -> list[Policy]:
        """
        Return what AWS's role needs to be told ``NoSuchKey`` of objects that are gone, and not ``AccessDenied``.

        Source:
            https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        """
        if not self.actions("objects", is_managed=True) | self.actions("target", is_managed=True):
            return []
        names = dict.fromkeys([*(place.bucket for place in self.places), *self.target_buckets()])
        return [_allow("Buckets", {"s3:ListBucket"}, [_bucket(self.partition, name) for name in names])]

    def of_named_keys(self) -> list[Policy]:
        """Return what the caller of a managed job needs where its files, or what it verifies, lie under named keys."""
        return [_allow("Keys", {"kms:Decrypt", "kms:GenerateDataKey"}, self.kms_keys)]

    def of_verification(self) -> list[Policy]:
        """Return what a second look at the objects, and at their copies, needs."""
        actions = self.operation.verification_iam_actions() - {"s3:ListBucket"}  # that is on buckets
        places = [*self.places, *(S3Url(bucket, "") for bucket in self.target_buckets())]
        return [_allow("Verification", actions, [_objects(self.partition, place) for place in places])]

    def of_locks(self) -> list[Policy]:
        """Return what AWS reads of buckets whose objects it locks."""
        if not self.actions("objects", is_managed=True) & _LOCKS:
            return []
        buckets = dict.fromkeys(place.bucket for place in self.places)
        lock = {"s3:GetBucketObjectLockConfiguration"}
        return [_allow("Locks", lock, [_bucket(self.partition, name) for name in buckets])]

    def trial(self, job: S3Url) -> list[Policy]:
        """Return what is needed to try the operation on scratch objects."""
        actions = self.actions("objects", is_managed=False) | self.actions("target", is_managed=False)
        actions |= {*_FILES, "s3:DeleteObjectVersion", "s3:GetObjectTagging", "s3:PutObjectTagging", "s3:GetObjectAcl"}
        actions |= {"s3:GetObjectRetention", "s3:GetObjectLegalHold", "s3:BypassGovernanceRetention"}
        buckets = dict.fromkeys([job.bucket, *(place.bucket for place in self.places)])
        scratch = [job, *(S3Url(bucket, SCRATCH) for bucket in buckets)]
        versions = {"s3:ListBucketVersions", *_FACTS}
        return [
            _allow("Trial", actions, [_objects(self.partition, place) for place in scratch]),
            _allow("TrialFolders", versions, [_bucket(self.partition, bucket) for bucket in buckets]),
        ]


def _place(text: str) -> S3Url:
    if found := _ACCESS_POINT.fullmatch(text):
        return S3Url(found["bucket"], found["key"] or "")
    return S3Url.parse(text if "://" in text else f"s3://{text}", what="manifest")


def _objects(partition: str, place: S3Url) -> str:
    prefix = _literal(place.key)
    if place.bucket.startswith("arn:"):
        return f"{place.bucket}/object/{prefix}*"
    return f"arn:{partition}:s3:::{place.bucket}/{prefix}*"


def _literal(text: str) -> str:
    """
    Return *text* as policies spell it, where some characters stand for others.

    Source:
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    return _WILDCARD.sub(lambda found: f"${{{found[0]}}}", text)


def _bucket(partition: str, name: str) -> str:
    return name if name.startswith("arn:") else f"arn:{partition}:s3:::{name}"


def _own_files(partition: str, job: S3Url) -> list[Policy]:
    """Return what is needed on the job's folder."""
    return [_allow("JobFiles", _FILES, [_objects(partition, job / "")]), _listing("JobFolder", partition, job)]


def _selection(inventory: str | Iterable[str] | None, source: RowSource | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return where the rows come from, by what is there."""
    found = {} if source is None else dict(source if isinstance(source, Mapping) else source.essence())
    return {**found, **({"inventory": inventory} if inventory else {})}


def _reader(partition: str) -> Callable[[str, Iterable[str], Iterable[str]], Policy]:
    """Return `_allow` for resources without the ``arn:…:s3:::`` before them."""
    return lambda sid, actions, places: _allow(sid, actions, [f"arn:{partition}:s3:::{place}" for place in places])


def _listing(sid: str, partition: str, folder: S3Url) -> Policy:
    statement = _allow(sid, {"s3:ListBucket"}, [_bucket(partition, folder.bucket)])
    key = _literal(folder.key.rstrip("/"))
    return {**statement, "Condition": {"StringLike": {"s3:prefix": [key, f"{key}/*"]}}} if key else statement


def _of_jobs(partition: str, region: str, account_id: str, role_arn: str) -> list[Policy]:
    """Return what is needed to make and to follow jobs of AWS's service."""
    passing = _allow("PassRole", {"iam:PassRole"}, [role_arn])
    return [
        _allow("Jobs", {"s3:CreateJob", "s3:ListJobs"}, ["*"]),
        _allow("OneJob", _JOBS, [f"arn:{partition}:s3:{region}:{account_id}:job/*"]),
        {**passing, "Condition": {"StringEquals": {"iam:PassedToService": SERVICE}}},
    ]


def _of_service(partition: str, job: S3Url) -> list[Policy]:
    """Return what AWS's service needs on the job's folder: it reads the manifest and writes its report."""
    files = [_objects(partition, job / "")]
    return [
        _allow("Manifest", {"s3:GetObject", "s3:GetObjectVersion"}, files),
        _allow("Report", {"s3:PutObject"}, files),
    ]


def _trust(account_id: str) -> Policy:
    statement: Policy = {"Effect": "Allow", "Principal": {"Service": SERVICE}, "Action": "sts:AssumeRole"}
    if account_id != "*":
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account_id}}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _allow(sid: str, actions: Iterable[str], resources: Iterable[str]) -> Policy:
    return {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": list(dict.fromkeys(resources))}


def _policy(statements: Iterable[Policy]) -> Policy:
    kept = [statement for statement in statements if statement["Action"] and statement["Resource"]]
    return {"Version": "2012-10-17", "Statement": kept}
