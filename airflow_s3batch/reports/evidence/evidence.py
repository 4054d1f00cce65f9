"""The evidence of a report: counts that have to agree, digests over many files, and what was looked at again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.reports.accounts.accounting import RangeAccount


@dataclass(slots=True)
class PartEvidence:
    """
    The result files of a report, as they were taken.

    Attributes:
        files: how many.
        rows: in them, as counted when they were written.
        reread: files whose bytes were read again and had the MD5 that was noted.
        rewritten: files that were written for this report, because an attempt was superseded or a row had no outcome.
    """

    files: int = 0
    rows: int = 0
    reread: int = 0
    rewritten: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    def add(self, account: RangeAccount) -> None:
        """Add the files of one range."""
        self.files += len(account.results)
        self.rows += account.rows
        self.reread += account.reread
        self.rewritten += account.rewritten
        self._digest.update(_lines((result.md5, result.url.key) for result in account.results))

    def to_json(self) -> dict[str, Any]:
        """Return counts, and ``sha256``: the digest of a line ``MD5  key`` for each file, as ``md5sum`` prints it."""
        return {
            "files": self.files,
            "rows": self.rows,
            "reread": self.reread,
            "rewritten": self.rewritten,
            "sha256": self._digest.hexdigest(),
        }


def shard_evidence(manifest: Manifest) -> dict[str, Any]:
    """Return how many shards there are, their rows, and the digest of a line ``SHA-256  key`` for each of them."""
    shards = manifest.shards
    return {
        "files": len(shards),
        "rows": sum(shard.rows for shard in shards),
        "sha256": hashlib.sha256(_lines((shard.sha256, shard.key) for shard in shards)).hexdigest(),
    }


def _lines(files: Iterable[tuple[str, str]]) -> bytes:
    return "".join(f"{digest}  {key}\n" for digest, key in files).encode()
