"""
What somebody is shown who has to say yes: a line, and a text in Markdown.

Whatever others chose (keys, SQL, names, values) stands in code, in fences that nothing in it can end, with characters
that don't show spelled out: nothing of it is rendered as markup, as a link, or the other way round.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_s3batch.core.amounts import size
from airflow_s3batch.core.keys import encode_key
from airflow_s3batch.core.visible import visible

if TYPE_CHECKING:
    from airflow_s3batch.core.manifest import Manifest
    from airflow_s3batch.core.objects import S3Object
    from airflow_s3batch.costs import CostEstimate
    from airflow_s3batch.operations.base import Operation

MOST_SQL, MOST_PARAMETERS, MOST_NAME = 6_000, 6_000, 500
MOST_CLASSES, MOST_CODES = 12, 10
_ENGINES = {"worker": "Airflow workers", "managed": "AWS S3 Batch Operations"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """
    What is asked, with all figures.

    Attributes:
        engine: ``worker`` or ``managed``; empty if not known.
        selection: as ``job.json`` has it; *source* likewise.
        deadline: until when the answer counts; *default* is that of nobody.
        rehearsal: what the rehearsal task returned; ``None`` without one.
        examples: a few objects.
    """

    operation: Operation
    manifest: Manifest
    engine: str = ""
    selection: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    cost: CostEstimate | None = None
    rehearsal: Mapping[str, Any] | None = None
    examples: Sequence[S3Object] = ()
    deadline: datetime | None = None
    default: str = "reject"

    def subject(self) -> str:
        """Return the question in a line, without anything that others chose."""
        cost = f", {self.cost.total}" if self.cost else ""
        what = "Destroy data" if self.operation.destroys else "Go on"
        return f"{what}? {self.operation.name}: {self.manifest.rows:,} objects, {size(self.manifest.bytes)}{cost}"

    def body(self) -> str:
        """Return all of it, in Markdown."""
        parts = [self._verdict(), "\n".join(f"- {fact}" for fact in self._facts()), *self._code_blocks(), self._hint()]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _verdict(self) -> str:
        if self.operation.destroys:
            return "**This loses data for good**, as far as the bucket keeps no versions of it."
        return "No object's data is lost for good by this operation, as it declares itself."

    def _facts(self) -> Iterator[str]:
        manifest = self.manifest
        yield f"Operation: {span(self.operation.name)}" + (
            f", by {_ENGINES[self.engine]}" if self.engine in _ENGINES else ""
        )
        yield f"Objects: **{manifest.rows:,}**, {size(manifest.bytes)} as far as sizes are known"
        if manifest.storage_classes:
            yield f"Storage classes: {_classes(manifest)}"
        yield from self._origin()
        yield f"Cost: {self.cost.sentence()}" if self.cost else "Cost: not estimated"
        yield from self._rehearsed()
        yield f"The job's files: {span(str(manifest.job_url))}"
        if self.deadline:
            until = f"{self.deadline:%Y-%m-%d %H:%M} UTC"
            yield f"If nobody answers until {until}, the answer is **{self.default.title()}**"

    def _origin(self) -> Iterator[str]:
        kind, place = self.selection.get("kind", ""), self.source.get("manifest") or self.selection.get("inventory")
        created = self.source.get("created")
        named = span(_text(place)) if place else ""
        moment = f" as of {span(_text(created))}" if created else ""
        yield " ".join(part for part in (f"From: {span(_text(kind))}" if kind else "From:", named) if part) + moment
        if guards := self.selection.get("guards"):
            yield f"Guards: {span(', '.join(f'{name}={_text(value)}' for name, value in dict(guards).items()))}"

    def _rehearsed(self) -> Iterator[str]:
        if not self.rehearsal or not self.rehearsal.get("objects"):
            return
        codes = list(dict(self.rehearsal.get("codes") or {}).items())[:MOST_CODES]
        told = f" ({', '.join(f'{span(str(code))} {number:,}' for code, number in codes)})" if codes else ""
        failed, objects = int(self.rehearsal.get("failed", 0)), int(self.rehearsal["objects"])
        yield f"Rehearsal: it was done to {objects:,} random objects, {failed:,} of them failed{told}"

    def _code_blocks(self) -> Iterator[str]:
        parameters = {name: value for name, value in self.operation.to_json().items() if name != "operation"}
        told = {name: value for name, value in parameters.items() if value not in (None, {}, [], "")}
        if told:
            text = json.dumps(told, indent=1, ensure_ascii=False, default=str)
            yield f"With these parameters:\n\n{fenced(text, MOST_PARAMETERS)}"
        if sql := str(self.selection.get("sql") or self.selection.get("where") or ""):
            yield f"Selected by:\n\n{fenced(sql, MOST_SQL)}"
        if self.examples:
            urls = "\n".join(_url(obj) for obj in self.examples)
            yield f"For example (keys are URL-encoded):\n\n{fenced(urls, 100_000)}"

    def _hint(self) -> str:
        return (
            "What would be done to each object can be seen first without doing it: reject this, and start a run of "
            "the job with `dry_run=True`. The answer holds for exactly this manifest and this operation, and is kept "
            "in the job's folder with the name of who gave it."
        )


def span(text: str) -> str:
    """Return *text*, cut, as code in a line of Markdown: its fence is longer than any run of backticks in it."""
    shown = " ".join(visible(text[:MOST_NAME].replace("\n", " ")).split()) + ("…" if len(text) > MOST_NAME else "")
    if not shown:
        return "–"
    fence = "`" * (_longest_run(shown) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def fenced(text: str, most: int) -> str:
    """Return *text*, cut to *most* characters, as a block of code of Markdown that nothing in it can end."""
    lines = re.split(r"\r\n|\n", text[:most].expandtabs(2))
    shown = "\n".join(visible(line) for line in lines)
    left = len(text) - most
    more = f"\n… ({left:,} more characters; job.json has all)" if left > 0 else ""
    fence = "`" * max(3, _longest_run(shown) + 1)
    return f"{fence}text\n{shown}{more}\n{fence}"


def _classes(manifest: Manifest) -> str:
    found = list(manifest.storage_classes.items())
    told = [f"{span(name)} {rows:,} ({size(total)})" for name, (rows, total) in found[:MOST_CLASSES]]
    return ", ".join(told) + (f" and {len(found) - MOST_CLASSES} more" if len(found) > MOST_CLASSES else "")


def _url(obj: S3Object) -> str:
    version = f" (version {obj.version_id})" if obj.version_id else ""
    return f"s3://{obj.bucket}/{_encoded(obj.key)}{version}"


def _encoded(key: str) -> str:
    try:
        return encode_key(key)
    except UnicodeEncodeError:  # half of a surrogate pair; `fenced` spells it
        return key


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value[:20])) + (", …" if len(value) > 20 else "")
    return json.dumps(value, default=str)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
