"""Deleting many files: what is done where a store knows no such request, or refuses some of them."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest

from airflow_s3batch.core.errors import AccessError
from airflow_s3batch.core.s3url import S3Url
from airflow_s3batch.engine.files.storage import S3Storage

FILES = [S3Url("ops", f"job/{number}") for number in range(3)]


class Client:
    """Answers deletions of many files with *answer*, an error code or the keys that were refused."""

    def __init__(self, answer: str | list[str], *, is_denied: bool = False) -> None:
        self.answer = answer
        self.is_denied = is_denied
        self.deleted: list[str] = []

    def delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        if isinstance(self.answer, str):
            raise _refusal(self.answer, "DeleteObjects")
        self.deleted += [entry["Key"] for entry in Delete["Objects"] if entry["Key"] not in self.answer]
        return {"Errors": [{"Key": key, "Code": "InternalError"} for key in self.answer]}

    def delete_object(self, Bucket: str, Key: str) -> None:  # noqa: N803
        if self.is_denied:
            raise _refusal("AccessDenied", "DeleteObject")
        self.deleted.append(Key)


class Access:
    is_aws = False

    def __init__(self, client: Client) -> None:
        self._client = client

    def client(self) -> Client:
        return self._client


def _refusal(code: str, operation: str) -> botocore.exceptions.ClientError:
    answer = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    return botocore.exceptions.ClientError(answer, operation)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", ["NotImplemented", "MalformedXML", [], ["job/1"], ["job/0", "job/1", "job/2"]])
def test_all_files_are_deleted_one_way_or_the_other(answer: str | list[str]) -> None:
    client = Client(answer)
    S3Storage(Access(client)).delete_all(FILES)  # type: ignore[arg-type]
    assert sorted(client.deleted) == [url.key for url in FILES]


@pytest.mark.parametrize("answer", ["AccessDenied", ["job/1"]])
def test_a_refusal_is_a_sentence(answer: str | list[str]) -> None:
    with pytest.raises(AccessError, match="can't delete s3://ops/job/"):
        S3Storage(Access(Client(answer, is_denied=True))).delete_all(FILES)  # type: ignore[arg-type]
