"""How object keys are spelled in CSV files. The only place that encodes or decodes them."""

from __future__ import annotations

from urllib.parse import quote, unquote_plus

from airflow_s3batch.core.errors import ManifestError


def encode_key(key: str) -> str:
    """
    Return *key* as manifests, completion reports and request paths spell it: ``%20`` for a space, slashes kept.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/specify-batchjob-manifest.html
    """
    return quote(key, safe="/")


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
