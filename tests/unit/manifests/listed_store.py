"""A store that can only be listed, and an engine that asks it in any order: what walks are tried on."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

from airflow_s3batch.core.outcomes import Outcome
from airflow_s3batch.manifests.sources.listing.pages import Entries
from airflow_s3batch.manifests.sources.listing.ranges import Order, Target
from airflow_s3batch.manifests.sources.listing.walk import Walk
from airflow_s3batch.operations.requests import Call, Request, Response, RunContext, Steps

V2 = Call("ListObjectsV2")
VERSIONS = Call("ListObjectVersions")


class ListedStore:
    """
    Lists *keys*, each with one version or, by *versions*, with several, newest first; deletions are delete markers.

    Attributes:
        rank: by which the store orders keys.
        requests: queries that it was asked.
        between: called before each answer; may change the keys.
    """

    def __init__(
        self,
        keys: Sequence[str] = (),
        *,
        page: int = 10,
        rank: Callable[[str], object] = str,
        versions: dict[str, list[tuple[str, bool]]] | None = None,
    ) -> None:
        self.versions = versions if versions is not None else {key: [("null", False)] for key in keys}
        self.page = page
        self.rank = rank
        self.requests: list[dict[str, str]] = []
        self.between: Callable[[], None] = lambda: None
        self._sorted: list[str] | None = None

    def changed(self) -> None:
        """Say that `versions` were changed."""
        self._sorted = None

    def keys(self) -> list[str]:
        if self._sorted is None:
            self._sorted = sorted(self.versions, key=self.rank)  # type: ignore[arg-type]
        return self._sorted

    def answer(self, request: Request) -> Response:
        """Answer as S3 does."""
        self.between()
        query = dict(request.query)
        self.requests.append(query)
        body = self.listed_versions(query) if request.call.api == "ListObjectVersions" else self.listed(query)
        return Response(200, {}, body.encode())

    def behind(self, key: str) -> list[str]:
        keys = self.keys()
        return keys[bisect_right(keys, self.rank(key), key=self.rank) :] if key else keys  # type: ignore[type-var]

    def listed(self, query: dict[str, str]) -> str:
        most = min(self.page, int(query.get("max-keys", self.page)))
        rest = self.behind(query.get("continuation-token") or query.get("start-after", ""))
        page = rest[:most]
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if len(rest) > most else ""
        entries = "".join(
            f"<Contents><Key>{quote_plus(key, safe='/')}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            "<ETag>&quot;0&quot;</ETag><Size>1</Size></Contents>"
            for key in page
        )
        return _result("ListBucketResult", entries, is_truncated=len(rest) > most, more=token)

    def listed_versions(self, query: dict[str, str]) -> str:
        most = min(self.page, int(query.get("max-keys", self.page)))
        marker, version = query.get("key-marker", ""), query.get("version-id-marker", "")
        rest = [(key, *entry) for key in self.behind(marker) for entry in self.versions[key]]
        if version:
            own = [entry for entry, _ in self.versions[marker]]
            rest = [(marker, *entry) for entry in self.versions[marker][own.index(version) + 1 :]] + rest
        page = rest[:most]
        entries = "".join(
            f"<{kind}><Key>{quote_plus(key, safe='/')}</Key><VersionId>{entry}</VersionId><IsLatest>true</IsLatest>"
            f"<LastModified>2026-01-01T00:00:00.000Z</LastModified></{kind}>"
            for key, entry, is_marker in page
            for kind in ["DeleteMarker" if is_marker else "Version"]
        )
        following = (
            f"<NextKeyMarker>{quote_plus(page[-1][0], safe='/')}</NextKeyMarker>"
            f"<NextVersionIdMarker>{page[-1][1]}</NextVersionIdMarker>"
            if len(rest) > most
            else ""
        )
        return _result("ListVersionsResult", entries, is_truncated=len(rest) > most, more=following)


def _result(name: str, entries: str, *, is_truncated: bool, more: str) -> str:
    truncated = str(is_truncated).lower()
    return f"<{name}><EncodingType>url</EncodingType><IsTruncated>{truncated}</IsTruncated>{more}{entries}</{name}>"


class Walked:
    """What a walk over one store gave: *rows* are key, version id and whether it is a delete marker."""

    def __init__(
        self,
        store: ListedStore,
        order: Order | None,
        *,
        prefix: str = "",
        window: int = 8,
        seed: int = 0,
        most_requests: int = 100_000,
    ) -> None:
        self.rows: list[tuple[str, str | None, bool]] = []
        call = VERSIONS if any(entries != [("null", False)] for entries in store.versions.values()) else V2
        self.walk = Walk([Target("bucket", prefix, call, has_versions=call is VERSIONS)], order, self._take)
        self._drive(store, window, random.Random(seed), most_requests)

    def _take(self, target: Target, entries: Entries, start: int, end: int, *, is_marker: bool) -> None:
        versions = entries.columns["version_id"]
        self.rows += [(entries.keys[n], versions[n], is_marker) for n in range(start, end)]

    @property
    def keys(self) -> list[str]:
        return [key for key, _, _ in self.rows]

    def _drive(self, store: ListedStore, window: int, chance: random.Random, most_requests: int) -> None:
        works, flying = self.walk.works(), []
        self.most_flying = 0
        while True:
            while len(flying) < window:
                work = next(works, None)
                if work is None:
                    break
                self._step(flying, work, self.walk.steps(work.obj.key), None)
            if not flying:
                assert next(works, None) is None
                return
            self.most_flying = max(self.most_flying, len(flying))
            work, steps, request = flying.pop(chance.randrange(len(flying)))
            assert len(store.requests) < most_requests, "the walk does not come to an end"
            self._step(flying, work, steps, store.answer(request))

    def _step(self, flying: list, work: object, steps: Steps[Outcome], response: Response | None) -> None:
        try:
            flying.append((work, steps, steps.send(response)))  # type: ignore[arg-type]
        except StopIteration as end:
            self.walk.done(work, end.value)  # type: ignore[arg-type]


CONTEXT = RunContext()
