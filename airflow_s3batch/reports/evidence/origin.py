"""Where a job comes from: what ``job.json`` tells of selection, source and Dag run; what stands for the manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.errors import JobDamagedError
from airflow_s3batch.core.formats import JOB, check_format
from airflow_s3batch.reports.evidence.evidence import shard_evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_s3batch.core.layout import JobLayout
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.engine.files.storage import Storage


@dataclass(frozen=True, slots=True)
class Origin:
    """What ``job.json`` says; *document* is empty where there is none."""

    document: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, storage: Storage, job: JobLayout) -> Origin:
        """
        Return the origin of *job*.

        Raises:
            JobDamagedError: ``job.json`` is not one.
        """
        body = storage.read(job.job)
        try:
            document = dict(json.loads(body)) if body is not None else {}
            if document:
                check_format(document["format"], JOB, place=str(job.job))
            names = ("selection", "source", "about", "versions", "comparison")
            return cls({**document, **{name: dict(document.get(name, {})) for name in names}})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise JobDamagedError(f"{job.job}: not a job of this package ({error!r})") from None

    @property
    def created(self) -> str:
        """ISO time at which the job was started; empty if not known."""
        return str(self.document.get("created", ""))

    @property
    def versions(self) -> Mapping[str, Any]:
        """Versions of what made the manifest, by name."""
        return dict(self.document["versions"])

    def told(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """Return selection, source and Dag run for the summary; *about* adds to the latter."""
        document = self.document
        return {
            "selection": document["selection"],
            "source": document["source"],
            "about": {**document["about"], **about},
        }

    def evidence(self, manifest: Manifest) -> dict[str, Any]:
        """Return what stands for the manifest, and what its selection was compared with."""
        return {
            "job_started": self.created,
            "source_rows": manifest.source_rows,
            "compared": {name: _brief(value) for name, value in self.document["comparison"].items() if name != "asked"},
            "asked": list(self.document["comparison"].get("asked", ()))[:5],
            "manifest": {
                "rows": manifest.rows,
                "fingerprint": manifest.fingerprint,
                "shards": shard_evidence(manifest),
            },
        }


def _brief(value: Any) -> Any:
    """Return what a comparison was pinned to without lists of columns and files, which are in ``job.json``."""
    if isinstance(value, dict):
        return {name: _brief(item) for name, item in value.items() if name not in ("columns", "asked", "files")}
    return [_brief(item) for item in value[:20]] if isinstance(value, list) else value
