"""The life of Athena's query: sent once, taken up after a death, read only when whole; its failures as sentences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from athena_lake import access_to, from_table, inventory_table, publish_from
from deliveries import JOBS, deliver, objects, published_rows

from airflow_s3batch.core.errors import (
    AccessError,
    InfrastructureError,
    InventoryError,
    JobChangedError,
    ManifestError,
    S3BatchError,
)
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.manifests.planning.publish import publish_manifest
from airflow_s3batch.manifests.sources.athena.client import Athena, QueryState
from airflow_s3batch.manifests.sources.athena.faults import failure
from airflow_s3batch.manifests.sources.athena.unload import QueryRunningError, QueryWatch
from airflow_s3batch.testing.athena import AthenaEmulator, AwsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.testing.storage import MemoryStorage


class KilledError(BaseException):
    """The process ends here, without a chance to tidy up."""


@pytest.fixture
def athena(storage: MemoryStorage) -> Iterator[AthenaEmulator]:
    with AthenaEmulator(storage) as emulator:
        deliver(storage, objects(20), file_format="Parquet")
        columns = ["bucket", "key", "size", "e_tag", "storage_class", "encryption_status"]
        emulator.tables["lake.inventories"] = inventory_table(columns)
        yield emulator


def keys(athena: AthenaEmulator, manifest: Manifest) -> set[str]:
    return {row["key"] for row in published_rows(athena.storage, manifest)}  # type: ignore[arg-type]


def killed_at(athena: AthenaEmulator, verb: str, end_of_key: str) -> None:
    """Publish, and die just before the store is asked to *verb* a file whose key ends so."""

    def die(asked: str, url: S3Url) -> None:
        if asked == verb and url.key.endswith(end_of_key):
            raise KilledError

    storage: Any = athena.storage
    storage.before = die
    with pytest.raises(KilledError):
        publish_from(athena, from_table(where="size >= 10"))
    storage.before = None


@pytest.mark.parametrize(
    ("verb", "place"),
    [("write", ".request.json"), ("write", ".query-id"), ("write", "job/job.json"), ("write", "manifest.json")],
)
def test_a_killed_attempt_does_not_cost_a_second_query(athena: AthenaEmulator, verb: str, place: str) -> None:
    """Wherever it dies: before it has sent the query, after, before the result is pinned, before it is published."""
    killed_at(athena, verb, place)
    deliver(athena.storage, objects(99), days_ago=0.5, file_format="Parquet")
    manifest = publish_from(athena, from_table(where="size >= 10"))
    assert len(athena.queries) == 1
    expected = 10 if place != ".request.json" else 89
    assert manifest.rows == expected


def test_a_query_whose_id_was_noted_is_known_without_its_token(athena: AthenaEmulator) -> None:
    """How long Athena remembers a token is nowhere said."""
    killed_at(athena, "write", "job/job.json")
    athena.tokens.clear()
    assert publish_from(athena, from_table(where="size >= 10")).rows == 10
    assert len(athena.queries) == 1


def test_a_lost_answer_does_not_cost_a_second_query(athena: AthenaEmulator) -> None:
    """The query runs, nobody knows its id; the next attempt sends the same request with the same token."""
    athena.lost_answers = {"StartQueryExecution"}
    with pytest.raises(InfrastructureError, match="start the query"):
        publish_from(athena, from_table())
    assert publish_from(athena, from_table()).rows == 20
    assert len(athena.queries) == 1


def test_a_query_that_failed_is_sent_anew_to_another_folder(athena: AthenaEmulator) -> None:
    """Half a result that a failed or stopped query has left is never read."""
    athena.is_holding = True
    watch = QueryWatch(pause=lambda _: watch.stop())
    with pytest.raises(InfrastructureError, match="stopped along with the task"):
        publish_from(athena, from_table(watch=watch))
    (first,) = athena.queries.values()
    assert first["State"] == "CANCELLED"
    folder = first["request"]["QueryString"].split("TO '")[1].split("'")[0]
    athena.storage.write(S3Url.parse(folder + "half"), b"PAR1")
    athena.is_holding = False
    assert publish_from(athena, from_table()).rows == 20
    assert len(athena.queries) == 2


def test_files_that_are_not_in_athenas_list_are_not_read(athena: AthenaEmulator) -> None:
    """Athena may try a query again by itself; what the first try wrote stays in the folder."""
    killed_at(athena, "write", "job/job.json")
    (query,) = athena.queries.values()
    folder = query["request"]["QueryString"].split("TO '")[1].split("'")[0]
    athena.storage.write(S3Url.parse(folder + "orphan"), b"not even Parquet")
    lines: list[str] = []
    manifest = publish_from(athena, from_table(where="size >= 10"), log=lines.append)
    assert manifest.rows == 10
    assert any("1 files are not Athena's result" in line for line in lines)


def test_a_file_that_is_gone_is_told(athena: AthenaEmulator) -> None:
    killed_at(athena, "write", "job/job.json")
    (query_id,) = athena.queries
    storage: Any = athena.storage
    for url in [url for url in storage.files if url.key.endswith(f"{query_id}_0")]:
        athena.storage.delete(url)
    with pytest.raises(InventoryError, match="1 of the 2 files that Athena query"):
        publish_from(athena, from_table(where="size >= 10"))


def test_a_result_that_changes_after_it_was_pinned_is_told(athena: AthenaEmulator) -> None:
    killed_at(athena, "write", "manifest.json")
    (query_id,) = athena.queries
    storage: Any = athena.storage
    (file,) = [url for url in storage.files if url.key.endswith(f"{query_id}_0")]
    storage.files[file] = storage.files[file][:-1] + b"x"
    with pytest.raises(S3BatchError, match=f"{query_id}_0"):
        publish_from(athena, from_table(where="size >= 10"))


def test_another_filter_does_not_take_up_the_query(athena: AthenaEmulator) -> None:
    """Somebody edited ``where`` between two attempts, before anything was pinned."""
    killed_at(athena, "write", "job/job.json")
    assert publish_from(athena, from_table(where="size < 3")).rows == 3
    assert len(athena.queries) == 2


def test_a_published_job_sends_nothing(athena: AthenaEmulator) -> None:
    first = publish_from(athena, from_table())
    athena.calls.clear()
    assert publish_from(athena, from_table()) == first
    assert athena.calls == []
    with pytest.raises(JobChangedError, match="table was"):
        publish_from(athena, from_table("lake.others"))


def test_deferring_sends_the_query_and_does_not_wait(athena: AthenaEmulator) -> None:
    athena.is_holding = True
    with pytest.raises(QueryRunningError) as running:
        publish_from(athena, from_table(watch=QueryWatch(is_deferrable=True)))
    assert running.value.query_id in athena.queries
    athena.is_holding = False
    assert publish_from(athena, from_table(watch=QueryWatch(is_deferrable=True))).rows == 20
    assert len(athena.queries) == 1


def test_a_query_that_failed_while_the_task_was_deferred_fails_it(athena: AthenaEmulator) -> None:
    """It is this attempt's own: another one would be deferred for, too, and so on for ever."""
    athena.is_holding = True
    with pytest.raises(QueryRunningError) as running:
        publish_from(athena, from_table(watch=QueryWatch(is_deferrable=True)))
    query_id = running.value.query_id
    athena.queries[query_id].update(State="FAILED", reason="HIVE_BAD_DATA: Malformed ORC file")
    watch = QueryWatch(is_deferrable=True)
    watch.sent.add(query_id)
    with pytest.raises(InventoryError, match="HIVE_BAD_DATA"):
        publish_from(athena, from_table(watch=watch))
    assert len(athena.queries) == 1


def test_looks_come_less_often_while_the_query_runs(athena: AthenaEmulator) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        athena.is_holding = len(pauses) < 12

    athena.is_holding = True
    publish_from(athena, from_table(watch=QueryWatch(poll_s=10, pause=pause)))
    assert pauses[0] == 0.5
    assert pauses == sorted(pauses)
    assert pauses[-1] == 10


def test_trouble_that_passes_is_borne(athena: AthenaEmulator) -> None:
    athena.refusals["GetQueryExecution"] = AwsError("TooManyRequestsException", "Rate exceeded")
    assert publish_from(athena, from_table()).rows == 20


def test_a_missing_permission_is_named(athena: AthenaEmulator) -> None:
    message = (
        "User: arn:aws:iam::123456789012:user/x is not authorized to perform: athena:StartQueryExecution on resource: "
        "arn:aws:athena:eu-central-1:123456789012:workgroup/primary because no identity-based policy allows it"
    )
    athena.refusals["StartQueryExecution"] = AwsError("AccessDeniedException", message)
    with pytest.raises(AccessError, match=r"lack athena:StartQueryExecution on arn:aws:athena:.*workgroup/primary"):
        publish_from(athena, from_table())


def test_a_missing_table_is_told(athena: AthenaEmulator) -> None:
    with pytest.raises(InventoryError, match=r"look up table lake\.nothing: AWS refuses with EntityNotFoundException"):
        publish_from(athena, from_table("lake.nothing"))


def test_without_a_connection_it_says_so(storage: MemoryStorage) -> None:
    with pytest.raises(AccessError, match="no connection to AWS was given"):
        publish_manifest(storage, JOBS, "job", from_table(), now=__import__("deliveries").NOW)


_NOT_ALLOWED = (
    "PERMISSION_DENIED: User: arn:aws:iam::1:role/x is not authorized to perform: glue:GetTable on resource: "
    "arn:aws:glue:eu-central-1:1:table/lake/t because no identity-based policy allows the glue:GetTable action"
)
REASONS: list[tuple[str, type[S3BatchError], str]] = [
    ("TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.lake.t' does not exist", InventoryError, "check table="),
    ("COLUMN_NOT_FOUND: line 1:8: Column 'kms_key_arn' cannot be resolved", ManifestError, "lacks a column"),
    (
        "Insufficient Lake Formation permission(s): Required Select on inventory",
        AccessError,
        "lakeformation:GetDataAccess",
    ),
    (
        _NOT_ALLOWED,
        AccessError,
        "lack glue:GetTable on arn:aws:glue:eu-central-1:1:table/lake/t",
    ),
    ("Access denied when writing output to url: s3://ops/s3batch/", AccessError, "s3:PutObject"),
    ("TYPE_MISMATCH: line 1:8: Cannot apply operator: varchar > bigint", ManifestError, "The statement was: UNLOAD x"),
    ("NOT_SUPPORTED: Timestamp precision (6) not supported for Hive", ManifestError, r"timestamp\(3\)"),
    ("HIVE_PATH_ALREADY_EXISTS: Target directory already exists", InfrastructureError, "new folder"),
    ("Query exhausted resources at this scale factor", InfrastructureError, "later attempt"),
    ("something that nobody has seen", ManifestError, "The statement was: UNLOAD x"),
]


@pytest.mark.parametrize(("reason", "kind", "sentence"), REASONS)
def test_athenas_reasons_become_sentences_with_a_next_step(
    reason: str, kind: type[S3BatchError], sentence: str
) -> None:
    error = failure(QueryState("q-1", "FAILED", reason), "UNLOAD\n x")
    assert type(error) is kind
    with pytest.raises(kind, match=rf"Athena query q-1 failed: .*{sentence}"):
        raise error


def test_what_athena_calls_retryable_is_retried() -> None:
    assert failure(QueryState("q", "FAILED", "whatever", is_passing=True), "x").is_retryable


def test_the_result_goes_where_the_workgroup_says(athena: AthenaEmulator) -> None:
    """With managed query results there is no list of files; what lies in the folder, which was empty, is the result."""
    assert publish_from(athena, from_table(uses_workgroup_output=True)).rows == 20
    (query,) = athena.queries.values()
    assert "ResultConfiguration" not in query["request"]


def test_requests_go_to_the_connections_own_endpoints(athena: AthenaEmulator) -> None:
    client = Athena(access_to(athena))
    assert client.table("lake", "inventories").partition_keys == ("dt",)


def test_the_stored_request_is_what_was_sent(athena: AthenaEmulator) -> None:
    publish_from(athena, from_table())
    storage: Any = athena.storage
    (stored,) = [json.loads(body) for url, body in storage.files.items() if url.key.endswith(".request.json")]
    (query,) = athena.queries.values()
    assert stored["request"] == query["request"]
