"""What a job did, for people, notifications and other programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.operation_names import operation_name
from airflow_s3batch.core.outcomes import DRY_RUN, NOT_ATTEMPTED, Tally
from airflow_s3batch.engine.policy import allowed_count
from airflow_s3batch.reports.evidence.approval_words import approval_sentence
from airflow_s3batch.reports.evidence.verification_text import is_verified, verification_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "airflow-s3batch-summary/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """
    Counts over a completion report, the verdict, and where everything lies.

    Attributes:
        job_url: folder of the job; *task_id* is the operation task's.
        operation: the declaration; empty if the operation task was never started.
        objects: rows of the manifest, so of the report: *succeeded* + *failed*.
        counted_failures: failures whose code is not in *tolerate*; *not_attempted* always count.
        bytes: size of the objects that succeeded, as far as the manifest knew it.
        codes: failures by code; *examples* has for each code up to three URLs, keys encoded.
        requests: sent, by all attempts that ended in order; *retries* are part of them.
        slow_downs: how often the store asked to slow down.
        max_requests_per_s: the limit that was declared last for the job, ``None`` without one.
        started: ISO time of the first request, ``None`` if there was none; *ended* of the last outcome.
        duration_s: time in which at least one shard was at work; pauses between attempts are left out.
        allowed_failures: counted failures up to which the job is green; a float below 1 is a share of *objects*.
        failed_url: AWS-form manifest of what failed; ``None`` if nothing did.
        fingerprint: of the report's result files and of what a verification found; the same as long as neither changes.
        selection: which objects, as the manifest task declared it; *source* is the pinned inventory.
        about: the Dag run that made the report.
        created: ISO time of the report.
        no_manifest: why there is no manifest, so no report either; the job is not green then. Empty for all others.
        aws_jobs: jobs of AWS S3 Batch Operations that worked on the objects, up to 200: bucket, round, id, ARN, status,
            reasons. Empty for the worker engine.
        refused_shards: shards whose last attempt was refused since the operation was edited; the job is not green then.
        dry_run: whether nothing was done: each row says what a look at its object has shown.
        rehearsal: what was done on a random sample before; ``None`` without one.
        verification: what a comparison with the objects' state after the job has shown; ``None`` without one.
        cost: what the job was expected to cost; ``None`` if that is not known.
        approval: who let the job run, when, and what was answered; ``None`` if nobody was asked.
        storage_classes: rows and bytes of the manifest by storage class; empty if not known.
        history: earlier jobs of the same task and this one, oldest first, at most 60.
        timeline: how many objects were done when; empty if no attempt reached any.
        prefixes: where in the key space the failures are, most frequent first, at most 50.
        sizes: objects and bytes by size class; empty if not known.
        evidence: files of which the report is made, and digests over them; see ``docs/report.md``.
    """

    job_url: str
    task_id: str
    operation: Mapping[str, Any]
    objects: int
    succeeded: int
    failed: int
    bytes: int
    codes: Mapping[str, int]
    examples: Mapping[str, list[str]]
    requests: int
    retries: int
    slow_downs: int
    started: str | None
    ended: str | None
    duration_s: float
    allowed_failures: int | float
    tolerate: tuple[str, ...]
    report_url: str
    failed_url: str | None
    html_url: str
    summary_url: str
    fingerprint: str
    created: str
    selection: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    no_manifest: str = ""
    refused_shards: int = 0
    max_requests_per_s: float | None = None
    aws_jobs: tuple[Mapping[str, str], ...] = ()
    dry_run: bool = False
    rehearsal: Mapping[str, Any] | None = None
    verification: Mapping[str, Any] | None = None
    cost: Mapping[str, Any] | None = None
    approval: Mapping[str, Any] | None = None
    storage_classes: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()
    timeline: Mapping[str, Any] = field(default_factory=dict)
    prefixes: tuple[Mapping[str, Any], ...] = ()
    sizes: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_no_manifest(cls, task_id: str, reason: str) -> JobSummary:
        """Return what there is to tell of a job whose manifest is missing: *reason*; counts are 0, URLs empty."""
        empty: dict[str, Any] = {
            **dict.fromkeys(("objects", "succeeded", "failed", "bytes", "requests", "retries", "slow_downs"), 0),
            **dict.fromkeys(("job_url", "report_url", "html_url", "summary_url", "fingerprint", "created"), ""),
        }
        return cls(
            task_id=task_id,
            no_manifest=reason,
            operation={},
            codes={},
            examples={},
            started=None,
            ended=None,
            duration_s=0.0,
            allowed_failures=0,
            tolerate=(),
            failed_url=None,
            **empty,
        )

    @property
    def tally(self) -> Tally:
        """The counts as a `Tally`."""
        examples = {code: list(urls) for code, urls in self.examples.items()}
        return Tally(self.succeeded, self.failed, self.bytes, dict(self.codes), examples)

    @property
    def engine(self) -> str:
        """Who did it: ``worker`` or ``managed``; empty if nothing was started."""
        return str(self.evidence.get("engine", ""))

    @property
    def counted_failures(self) -> int:
        """How many failures count against *allowed_failures*."""
        return self.tally.counted_failures(frozenset(self.tolerate))

    @property
    def not_attempted(self) -> int:
        """How many objects no attempt reached."""
        return self.codes.get(NOT_ATTEMPTED, 0)

    @property
    def allowed(self) -> int:
        """How many objects may fail."""
        return allowed_count(self.allowed_failures, self.objects)

    @property
    def is_green(self) -> bool:
        """
        Whether there is a manifest, no more failed than is allowed, nothing that was asked for was refused, and what
        was verified is as it should be. What nobody said yes to is never green, however much may fail.
        """
        is_done = self.counted_failures <= self.allowed and not self.refused_shards and not self.no_manifest
        return is_done and not self._is_unapproved and is_verified(self.verification)

    @property
    def _is_unapproved(self) -> bool:
        return bool(self.not_attempted and approval_sentence(self.approval))

    @property
    def rate(self) -> float | None:
        """Objects with an outcome per second of *duration_s*; ``None`` if that is not known."""
        return round((self.objects - self.not_attempted) / self.duration_s, 1) if self.duration_s else None

    @property
    def name(self) -> str:
        """The operation in snake case, as logs show it; the task's id if it was never started."""
        return operation_name(self.operation) or self.task_id

    def sentence(self) -> str:
        """Return what happened, for the person on call: what, how many, the first example, the next step."""
        parts = approval_sentence(self.approval), self._outcomes(), verification_sentence(self.verification)
        return "\n".join(filter(None, parts))

    def _outcomes(self) -> str:
        if self.no_manifest:
            return self.no_manifest
        if self.refused_shards:
            return self._refused()
        if not self.objects:
            return f"{self.name}: the manifest is empty, so nothing was done."
        if self.dry_run:
            return (
                f"{self._dry()}{self._first_that_could_not()}\n"
                f"What was seen of each object is in {self.report_url}; {self.failed_url} lists all of them."
            )
        if not self.failed:
            return f"{self.name}: all {self.objects:,} objects succeeded."
        code, example = self._first_example()
        first = f" First: {example} ({code})." if example else ""
        is_fine = self.counted_failures <= self.allowed and not self._is_unapproved
        again = "" if is_fine else self._again()
        return (
            f"{self.name}: {self.tally.sentence()}{self._verdict()}.{first}\n"
            f"The failed objects are listed in {self.failed_url}{again}."
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything as a JSON-ready dict."""
        names = [name for name in self.__dataclass_fields__ if name != "tolerate"]
        computed = ("counted_failures", "not_attempted", "is_green", "rate")
        return {
            "format": FORMAT,
            **{name: getattr(self, name) for name in (*names, *computed)},
            "tolerate": list(self.tolerate),
            "sentence": self.sentence(),
        }

    def _verdict(self) -> str:
        if not self.allowed and self.counted_failures == self.failed:
            return ""
        return f"; {self.counted_failures:,} count, {self.allowed:,} are allowed"

    def _refused(self) -> str:
        last = f"the last attempt at {self.refused_shards:,} shards was refused"
        if self.dry_run:
            return (
                f"{self._dry()} It was then asked for in earnest, or edited, and {last}: start a new Dag run for the "
                "real thing"
            )
        return (
            f"{self.name}: {self.tally.sentence()}, but the operation was edited since (or dry_run was) and {last}. "
            "Restore it, or pass resume=False to start over, and clear the failed tasks"
        )

    def _dry(self) -> str:
        told = self.tally.dry_sentence()
        more = "" if self.is_green else f"; {self.counted_failures:,} of those count, {self.allowed:,} are allowed"
        return f"dry run: {self.name} {told}{more}. Nothing was changed."

    def _first_that_could_not(self) -> str:
        if set(self.codes) <= {DRY_RUN}:
            return ""
        code, example = self._first_example()
        return f" First that could not be: {example} ({code})."

    def _again(self) -> str:
        if self._is_unapproved and self.approval and self.approval.get("task"):
            return f"; clear task {self.approval['task']}, with what is downstream of it, to have somebody asked again"
        if self.not_attempted and self.rehearsal and self.rehearsal.get("is_green") is False:
            return (
                f"; fix the cause and clear the rehearsal, which task {self.task_id} waits for, to run only these again"
            )
        return (
            f"; fix the cause and clear task {self.task_id} (its instances may be green, as their failures add up) "
            "to run only these again"
        )

    def _first_example(self) -> tuple[str, str]:
        """Return code and URL of an object that failed for the most frequent reason that counts."""
        counts = {code: code == NOT_ATTEMPTED or code not in self.tolerate for code in self.codes}
        code = max(self.codes, key=lambda code: (counts[code], code not in (DRY_RUN, NOT_ATTEMPTED), self.codes[code]))
        return code, next(iter(self.examples.get(code, [])), "")
