"""Pages of a listing that costs the server next to nothing: the entries of one flat prefix, made once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from urllib.parse import parse_qs, quote

OBJECTS = 100_000
"""How many objects the null server lists, in any bucket."""

_ENTRY = (
    "<Contents><Key>{}</Key><LastModified>2026-11-22T12:00:00.000Z</LastModified>"
    "<ETag>&quot;9a0364b9e99bb480dd25e1f0284c8555&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
    "<ChecksumType>FULL_OBJECT</ChecksumType><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>"
)
_PAGE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<Name>null</Name><Prefix></Prefix>{}<KeyCount>{}</KeyCount><MaxKeys>1000</MaxKeys>"
    "<EncodingType>url</EncodingType><IsTruncated>{}</IsTruncated>"
)


class NullListing:
    """Answers ListObjectsV2 as S3 does, in UTF-8 order; what was made at the first request is kept."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._entries: list[bytes] = []

    def page(self, query: str) -> bytes:
        """Return the body of the answer to *query*."""
        if not self._keys:
            self._keys = [f"data/year=2026/object-{number:08d}.parquet" for number in range(OBJECTS)]
            self._entries = [_ENTRY.format(quote(key), number).encode() for number, key in enumerate(self._keys)]
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        after = asked.get("continuation-token") or asked.get("start-after", "")
        prefix = asked.get("prefix", "")
        start = max(bisect_right(self._keys, after), bisect_left(self._keys, prefix))
        last = bisect_right(self._keys, f"{prefix}\U0010ffff")
        end = max(start, min(start + int(asked.get("max-keys", 1000)), last))
        is_truncated = end < last
        token = f"<NextContinuationToken>{self._keys[end - 1]}</NextContinuationToken>" if is_truncated else ""
        head = _PAGE.format(token, end - start, str(is_truncated).lower()).encode()
        return head + b"".join(self._entries[start:end]) + b"</ListBucketResult>"
