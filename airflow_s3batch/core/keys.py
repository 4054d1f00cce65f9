"""How object keys are spelled in CSV files. The only place that encodes or decodes them."""

from __future__ import annotations

import functools
import re
from urllib.parse import unquote_plus

from airflow_s3batch.core.errors import ManifestError

_QUOTED = re.compile("[^A-Za-z0-9_.~/-]").sub


@functools.lru_cache(4_096)
def encode_key(key: str) -> str:
    """
    Return *key* as manifests, completion reports and request paths spell it: ``%20`` for a space, slashes kept.

    A key is wanted for its request and again for its row in the report, so the latest ones are kept.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/specify-batchjob-manifest.html
    """
    return _QUOTED(_percent, key)


def _percent(found: re.Match[str]) -> str:
    return _percent_encoded(found[0])


@functools.lru_cache(512)
def _percent_encoded(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def decode_key(text: str) -> str:
    """
    Return the object key that the CSV field *text* stands for.

    Reads both spellings in use: percent encoding as in manifests, and form encoding ("+" for a space,
    "%2B" for a plus) as in CSV inventories. Parquet and ORC inventories are not encoded: do not decode them.

    Raises:
        ManifestError: *text* is not UTF-8 once decoded.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
    """
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise ManifestError(f"key field {text!r} is not valid UTF-8 once decoded; is the file URL-encoded?") from None
