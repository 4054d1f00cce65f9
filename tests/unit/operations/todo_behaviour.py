"""What an operation sends, and what everything else in the package has to know of that."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import botocore.session
from botocore.validate import ParamValidator
from todo_candidates import Candidate

from airflow_s3batch.core.errors import CapabilityError, S3BatchError
from airflow_s3batch.core.objects import S3Object
from airflow_s3batch.core.outcomes import DRY_RUN, SUCCESS, Outcome
from airflow_s3batch.costs import Totals, estimate, shipped_prices
from airflow_s3batch.costs.billing import BILLING
from airflow_s3batch.costs.counting import AWS, SAMPLE
from airflow_s3batch.costs.ideal_store import IdealStore
from airflow_s3batch.engine.checks.dry_run import DryRun
from airflow_s3batch.engine.wire.transport import UnsentError
from airflow_s3batch.operations import Operation, Request, Response, iam_policies
from airflow_s3batch.operations.feature_table import DECLARATIONS
from airflow_s3batch.operations.managed_forms import operation_from_create_job
from airflow_s3batch.operations.requests import Errand, Steps
from airflow_s3batch.operations.verification import Done
from airflow_s3batch.testing.fault_requests import ProxiedRequest
from airflow_s3batch.testing.http_wire import Message

IDEAL = "airflow_s3batch/costs/ideal_store.py"
PROXY = "airflow_s3batch/testing/fault_requests.py"
EMULATED = "tests/integration/test_emulator_operations.py"
_NAMED_OTHERWISE = {
    "CompleteMultipartUpload": "s3:PutObject",
    "CopyObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObjects": "s3:DeleteObject",
    "HeadObject": "s3:GetObject",
    "Invoke": "lambda:InvokeFunction",
    "UploadPartCopy": "s3:PutObject",
}
"""IAM actions of APIs that are not called as the API is."""


class Run(NamedTuple):
    """What an operation did with one object that is there: its outcome, and its requests."""

    outcome: Outcome | None
    requests: list[Request]
    error: Exception | None = None


def row_for(operation: Operation) -> S3Object:
    """Return an object with a value in each column that *operation* refers to."""
    columns = dict.fromkeys(operation.columns(), "v")
    return SAMPLE._replace(size=3, storage_class="STANDARD", is_latest=True, columns=columns)


def run(operation: Operation) -> Run:
    """Let *operation* run against a store that does at once what it is asked."""
    obj, seen, found = row_for(operation), [], []  # type: ignore[var-annotated]

    def noted(steps: Steps[Any]) -> Steps[None]:
        response: Response | None = None
        with contextlib.suppress(StopIteration):
            while True:
                try:
                    request = steps.send(response)  # type: ignore[arg-type]
                except StopIteration as stop:
                    found.append(stop.value)
                    raise
                if isinstance(request, Errand):
                    response = Response(200, {}, b"", value=SUCCESS)
                    continue
                seen.append(request)
                response = yield request

    try:
        own = operation.for_object(obj)
        is_batch = own.batch_size > 1 and own.is_batchable(obj, AWS)
        IdealStore(obj).drive(noted(own.batch_steps([obj], AWS) if is_batch else own.steps(obj, AWS)))
    except Exception as error:  # noqa: BLE001 - it is told
        return Run(None, seen, error)
    outcome = found[0][0] if found and isinstance(found[0], list) else found[0] if found else None
    return Run(outcome, seen)


@functools.cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _method(api: str) -> str:
    """Return the HTTP method of *api*, empty if botocore does not know it."""
    for service in ("s3", "lambda"):
        if api in _model(service).operation_names:
            return str(_model(service).operation_model(api).http["method"])
    return ""


def sends_what_it_says(op: Candidate) -> Iterator[str]:
    """The requests, and what a store and an estimate make of them."""
    if op.operation is None or not op.kind.runs_on_workers:
        return
    ran = run(op.operation)
    sent = list(dict.fromkeys(request.call.api for request in ran.requests))
    if ran.error is not None or ran.outcome is None or not ran.outcome.is_success:
        why = ran.error or ran.outcome
        yield f"{IDEAL}: answer {', '.join(sent)} as S3 does (IdealStore._ANSWERS); {op.name} ended with {why!r} on it"
    for api in sent:
        if api not in op.kind.requests:
            yield f"{op.place}: requests lacks {api!r}, which was sent"
    actions = _iam_actions(op.operation)
    for api in sent:
        if (action := _NAMED_OTHERWISE.get(api, f"s3:{api}")) not in actions:
            yield f"{op.place}: iam_actions() lacks {action!r}, which {api} needs"
    others = {request.bucket for request in ran.requests} - {SAMPLE.bucket, ""}
    if others and not hasattr(op.operation, "target_bucket"):
        yield f"{op.place}: call the field of the other bucket target_bucket; IAM, lineage and costs know it by that"


def is_known_by_its_requests(op: Candidate) -> Iterator[str]:
    """Each request has a price and a name; the whole has an estimate."""
    can_run = op.operation is not None and op.kind.runs_on_workers
    sent = [request.call.api for request in run(op.operation).requests] if op.operation and can_run else []
    apis = list(dict.fromkeys([*op.kind.requests, *sent]))
    for api in apis:
        if not _method(api):
            yield f"{op.place}: requests has {api!r}, which botocore does not know"
        if api not in BILLING:
            yield f"airflow_s3batch/costs/billing.py: BILLING[{api!r}]: as what S3 bills it, and where that stands"
        if _method(api) and api in _model("s3").operation_names and proxied(api) != api:
            yield f"{PROXY}: ProxiedRequest.api takes {api} for {proxied(api)}; faults are injected by that name"
    if op.kind.unbilled and not op.kind.unbilled.endswith("."):
        yield f"{op.place}: unbilled is a sentence, with a full stop"
    if op.operation and can_run and set(apis) <= set(BILLING):
        try:
            estimate(Totals(9, 27), op.operation, "worker", shipped_prices(), sample=row_for(op.operation))
        except Exception as error:  # noqa: BLE001 - it is told
            yield f"{IDEAL}: an estimate of {op.name} raises {error!r}"


def _iam_actions(operation: Operation) -> set[str]:
    try:
        return operation.iam_actions()
    except Exception:  # noqa: BLE001 - told by has_policies
        return set()


def proxied(api: str) -> str:
    """Return the name that the fault proxy gives to a request of *api*."""
    model = _model("s3").operation_model(api)
    uri, _, query = model.http["requestUri"].partition("?")
    members = model.input_shape.members if model.input_shape else {}
    required = set(model.input_shape.required_members if model.input_shape else ())
    more = [str(members[name].serialization["name"]) for name in required if _is_in(members[name], "querystring")]
    target = "/bucket" + ("/key" if "{Key" in uri else "") + "?" + "&".join([*([query] if query else []), *more])
    head = f"{model.http['method']} {target} HTTP/1.1\r\n" + (
        "x-amz-copy-source: bucket/key\r\n" if "CopySource" in required else ""
    )
    return ProxiedRequest(Message(f"{head}\r\n".encode(), b"")).api


def _is_in(shape: Any, place: str) -> bool:
    return bool(shape.serialization.get("location") == place)


def does_no_harm(op: Candidate) -> Iterator[str]:
    """Conditions on what it deletes or overwrites, approval, a dry run, the trial on a scratch object."""
    if op.operation is None or not op.kind.runs_on_workers:
        return
    for request in run(op.operation).requests:
        is_itself = (request.bucket, request.key) == (SAMPLE.bucket, SAMPLE.key)
        is_gone = request.call.api in ("DeleteObject", "DeleteObjects")
        is_written = is_itself and request.call.api in ("PutObject", "CopyObject", "CompleteMultipartUpload")
        is_guarded = "if-match" in dict(request.headers) or b"<ETag>" in (request.body or b"")
        if (is_gone or is_written) and not is_guarded and request.version_id is None:
            yield f"{op.place}: send {request.call.api} under if-match with obj.e_tag; a body written since must stay"
        if (is_gone or (is_itself and request.call.api == "PutObject")) and not op.kind.destroys:
            yield f"{op.place}: destroys: ClassVar[bool] = True: it sends {request.call.api}, so approval is asked for"
    if (why := dry_run_problem(op.operation)) is not None:
        yield f"{op.place}: a dry run of {op.name} should tell what would be sent, before anything is changed; {why}"
    if op.kind.is_probed and takes_anything_for_success(op.operation):
        yield (
            f"{op.place}: {op.name}.probe() takes a store that answers 200 and does nothing for one that works; read "
            "back what was done, and raise refuse(…) unless it is there (or is_probed = False, if it only reads)"
        )


def dry_run_problem(operation: Operation) -> str | None:
    """Return what is wrong with a dry run of *operation* on an object that is there."""
    obj = row_for(operation)
    store = IdealStore(obj)
    steps = DryRun(operation).steps(obj, AWS)
    try:
        request: Any = next(steps)
        while True:
            if isinstance(request, Errand) or _method(request.call.api) not in ("GET", "HEAD"):
                request = steps.throw(UnsentError("not sent"))
            else:
                request = steps.send(store._answer(request))
    except StopIteration as stop:
        return None if stop.value.error_code == DRY_RUN else f"it ended with {stop.value}"
    except Exception as error:  # noqa: BLE001 - it is told
        return f"it raised {error!r}"


def takes_anything_for_success(operation: Operation) -> bool:
    """Return whether *operation* finds nothing wrong with a store that answers 200 to all, and does nothing."""
    scratch = S3Object("jobs", "scratch/object", size=1, e_tag="0" * 32)
    try:
        steps = operation.for_probe(row_for(operation)).probe(scratch, row_for(operation))
        next(steps)
        while True:
            steps.send(Response(200, {}, b""))
    except StopIteration:
        return True
    except CapabilityError:
        return False
    except Exception:  # noqa: BLE001 - an error of another kind is no success either, and the contract suite shows it
        return False


def is_looked_at_again(op: Candidate) -> Iterator[str]:
    """A second look sends only what reads, and says which permissions that needs."""
    if op.operation is None or not op.kind.compares or op.kind.compared is Operation.compared:
        return
    obj = row_for(op.operation)
    now = datetime.now(UTC)
    seen: list[Request] = []

    def noted(steps: Steps[Any]) -> Steps[None]:
        request = next(steps)
        while True:
            seen.append(request)  # type: ignore[arg-type]
            request = steps.send((yield request))

    with contextlib.suppress(Exception):  # the store may show what no look expects: only the requests matter here
        IdealStore(obj).drive(noted(op.operation.for_object(obj).compared(obj, Done(now, now, float))))
    allowed = op.operation.verification_iam_actions()
    for api in dict.fromkeys(request.call.api for request in seen):
        if _method(api) not in ("GET", "HEAD"):
            yield f"{op.place}: {op.name}.compared() sends {api}; a second look only reads"
        elif (action := _NAMED_OTHERWISE.get(api, f"s3:{api}")) not in allowed:
            yield f"{op.place}: write {op.name}.verification_iam_actions(): super()'s and {action!r}, for {api}"


def has_policies(op: Candidate) -> Iterator[str]:
    """The least IAM policy of a job, and of its verification."""
    if op.operation is None or not op.kind.runs_on_workers:
        return
    can_verify = not op.operation.verification_problems()
    try:
        iam_policies(op.operation, "s3://lake", "s3://ops/jobs", verification=can_verify, targets=["archive"])
    except Exception as error:  # noqa: BLE001 - it is told
        yield f"{op.place}: iam_policies({op.name}) raises {error!r}; look at iam_actions() and iam_places()"


def is_done_by_aws_or_says_why_not(op: Candidate) -> Iterator[str]:
    """CreateJob's form, there and back, and a test on the emulator."""
    if op.operation is None:
        return
    if not op.kind.managed_name:
        if not op.kind.runs_on_workers:
            yield f"{op.place}: neither engine can do it; runs_on_workers or managed_name"
        return
    shape = _model("s3control").shape_for("JobOperation")
    if op.kind.managed_name not in shape.members:
        if op.kind.managed_name != "S3UpdateObjectEncryption":  # which older versions of botocore lack
            yield f"{op.place}: managed_name {op.kind.managed_name!r} is no member of CreateJob's Operation"
        return
    try:
        form = op.operation.create_job_operation()
        report = ParamValidator().validate(form, shape).generate_report()
        again = operation_from_create_job(form).create_job_operation()
    except (NotImplementedError, S3BatchError) as error:
        yield f"{op.place}: write {op.name}.managed_form() and from_managed_form(), its inverse ({error!r})"
        return
    if report or again != form:
        yield f"{op.place}: managed_form() is not what CreateJob takes, or does not come back: {report or again}"
    if op.kind not in map(type, DECLARATIONS):
        yield f"airflow_s3batch/operations/feature_table.py: add {op.name} with all its fields to DECLARATIONS"
