"""Functions that `PythonInvoke` is pointed at in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from airflow_s3batch.core.objects import S3Object


def describe(obj: S3Object, params: dict[str, Any]) -> str:
    return f"{obj.url} {sorted(params.items())}"


async def later(obj: S3Object, params: dict[str, Any]) -> None:
    return None


def one_by_one(obj: S3Object, params: dict[str, Any]) -> Iterator[int]:
    yield 1


async def later_one_by_one(obj: S3Object, params: dict[str, Any]) -> AsyncIterator[int]:
    yield 1


class Holder:
    """Has functions that are no module's own."""

    @staticmethod
    def static(obj: S3Object, params: dict[str, Any]) -> None:
        return None

    def method(self, obj: S3Object, params: dict[str, Any]) -> None:
        return None


NUMBER = 7
