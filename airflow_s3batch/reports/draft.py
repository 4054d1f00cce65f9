"""A report in the making: adds up accounts in memory that does not grow with the manifest."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from airflow_s3batch.core.completion_report import ResultFile, report_manifest_pieces
from airflow_s3batch.core.outcomes import Tally
from airflow_s3batch.reports.accounts.failed_manifest import FailedManifest
from airflow_s3batch.reports.accounts.prefixes import PrefixCount
from airflow_s3batch.reports.evidence.evidence import PartEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from airflow_s3batch.core.s3url import S3Url
    from airflow_s3batch.engine.files.storage import Storage
    from airflow_s3batch.reports.accounts.accounting import RangeAccount


class ReportDraft:
    """
    The report's manifest and the list of failed objects, in local files, and the counts.

    Attributes:
        tally: counts over all rows taken.
        failed: the failed objects taken; *prefixes* where they are.
        parts: what stands for the result files taken.
    """

    def __init__(self, folder: Path, created: str) -> None:
        """*folder* is a local one with room for the files; *created* is the report's ISO time."""
        self.tally = Tally()
        self.failed = FailedManifest(folder)
        self.prefixes = PrefixCount()
        self.parts = PartEvidence()
        self._created = created
        self._manifest = folder / "manifest.json"
        self._results_digest = hashlib.sha256()

    def take(self, accounts: Iterable[RangeAccount]) -> None:
        """Take all *accounts*, in their order."""
        with self._manifest.open("w", encoding="utf-8", newline="") as file:
            file.writelines(report_manifest_pieces(self._results(accounts), self._created))

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits that stand for the result files taken, in their order."""
        return self._results_digest.hexdigest()[:16]

    @property
    def md5(self) -> str:
        """Return the MD5 of the report's manifest, in hex."""
        with self._manifest.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

    def publish_manifest(self, storage: Storage, url: S3Url) -> None:
        """Write the report's manifest to *url*, after its ``.md5`` beside it: with this the report is there."""
        storage.write(url._replace(key=f"{url.key}.md5"), self.md5.encode(), "text/plain")
        storage.upload(self._manifest, url, "application/json")

    def _results(self, accounts: Iterable[RangeAccount]) -> Iterator[ResultFile]:
        for account in accounts:
            self.tally.add(account.tally)
            self.failed.add(account.failed_objects)
            self.prefixes.add(account.prefixes)
            self.parts.add(account)
            for result in account.results:
                self._results_digest.update(f"{result.status} {result.url} {result.md5}\n".encode())
                yield result
